// One job: its curve as it grows, its figures, its log.

import { get, text, write } from "./api.js";
import { fill, fixed, h, number, refill } from "./dom.js";
import { callLink, figure } from "./figure.js";
import { actions, jobCell, LOOK_MS, progress, state, underWay } from "./job_parts.js";
import { live } from "./live.js";
import { registry } from "./recorded.js";
import { setName } from "./say.js";

/** The view of job number `of`. */
export function jobView(of) {
  const top = h("div", { "aria-busy": "true" }, h("p", { class: "empty" }, "Loading the job …"));
  const said = h("p", { role: "status" });
  const curve = figure(`/jobs/${of}/plot`, { wide: true, level: 2 });
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

  const watching = live(async () => {
    let job;
    try {
      job = await get(`/jobs/${of}`);
    } catch (problem) {
      if (problem.status) watching.end();
      fill(top, h("h1", {}, `Job ${of}`), h("p", { class: "error" }, problem.message));
      top.setAttribute("aria-busy", "false");
      return;
    }
    const now = JSON.stringify(job);
    if (now !== seen) {
      refill(
        top,
        h("h1", {}, `Job ${of} `, state(job), " ", actions(job, act)),
        facts(job),
        job.error && h("pre", { class: "error" }, job.error),
        callLink(`/jobs/${of}`, []),
      );
      top.setAttribute("aria-busy", "false");
      if (job.epochs.length) {
        fill(chart, curve.element);
        curve.update([], `${job.state} ${job.epochs.length}`);
      }
      if (logs.open) readLog();
      // What it recorded is there to choose from now.
      if (seen !== null && job.state === "done") registry(true);
      seen = now;
    }
    if (!underWay(job)) watching.rest();
  }, LOOK_MS);

  async function readLog() {
    fill(
      log,
      await text(`/jobs/${of}/log`).then(
        (told) => told || "Nothing is logged.",
        (problem) => problem.message,
      ),
    );
  }

  async function act(method, path) {
    fill(said);
    await write(method, path).catch((problem) =>
      fill(said, h("span", { class: "error" }, problem.message)),
    );
    watching.now();
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
