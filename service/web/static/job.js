// One job: its curve as it grows, its figures, its log.

import { get, text } from "./api.js";
import { fill, fixed, h, number, refill } from "./dom.js";
import { callLink, figure } from "./figure.js";
import { acting, actions, jobCell, LOOK_MS, progress, state, underWay } from "./job_parts.js";
import { live } from "./live.js";
import { setName } from "./say.js";

/** The view of job number `of`. */
export function jobView(of) {
  const path = `/jobs/${of}`;
  const top = h(
    "div",
    { "aria-busy": "true" },
    h("h1", {}, `Job ${of}`),
    h("p", { class: "empty" }, "Loading …"),
  );
  const said = h("p", { role: "status" });
  const curve = figure(`${path}/plot`, { name: "Curve", wide: true, level: 2 });
  const noCurve = h("p", { class: "empty" }, "Its curve stands here once the first epoch is done.");
  const chart = h("div", { class: "card" }, noCurve);
  const log = h("pre", { tabindex: "0", "aria-label": "Log" });
  const logs = h(
    "details",
    { class: "card", on: { toggle: () => logs.open && readLog() } },
    h("summary", {}, "Log"),
    log,
  );
  const element = h("div", { class: "main" }, top, said, chart, logs);
  let seen = null;

  const act = acting(said, () => watching.now());

  const watching = live(
    async () => {
      const job = await get(path);
      const now = JSON.stringify(job);
      if (now !== seen) show(job);
      seen = now;
      if (!underWay(job)) watching.rest();
    },
    (problem) => {
      seen = null;
      chart.hidden = logs.hidden = problem.status === 404;
      fill(top, h("h1", {}, `Job ${of}`), h("p", { class: "error" }, problem.message));
      top.setAttribute("aria-busy", "false");
    },
    LOOK_MS,
  );

  function show(job) {
    refill(
      top,
      h("h1", {}, `Job ${of} `, state(job), " ", actions(job, act)),
      facts(job),
      job.error && h("pre", { class: "error" }, job.error),
      callLink(path, []),
    );
    top.setAttribute("aria-busy", "false");
    if (job.epochs.length) {
      if (!chart.contains(curve.element)) fill(chart, curve.element);
      curve.update([], `${job.state} ${job.epochs.length}`);
    }
    if (logs.open) readLog();
  }

  async function readLog() {
    fill(
      log,
      await text(`${path}/log`).then(
        (told) => told || "Nothing is logged.",
        (problem) => problem.message,
      ),
    );
  }

  return {
    element,
    update: () => watching.now(),
    title: `Job ${of}`,
    end: () => (watching.end(), curve.end()),
  };
}

function facts(job) {
  const last = job.epochs.at(-1) ?? {};
  const accuracies = Object.entries(last).filter(([, values]) => values?.accuracy !== undefined);
  const pairs = [
    ["cell", jobCell(job)],
    ["images", job.dataset],
    ["recipe", job.recipe],
    ["seed", String(job.seed)],
    ["progress", progress(job)],
    [
      "speed",
      job.progress?.images_per_s ? `${number(job.progress.images_per_s, 0)} images/s` : "–",
    ],
    ["device", job.device ?? "–"],
    ...accuracies.map(([set, values]) => [
      `accuracy on ${setName(set)}, epoch ${last.epoch}`,
      `${fixed(values.accuracy)} %`,
    ]),
    job.run && ["run", h("a", { href: job.run, "data-file": true }, "JSON")],
  ].filter(Boolean);
  return h(
    "dl",
    { class: "facts card" },
    pairs.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
}
