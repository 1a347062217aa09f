// Training jobs: what runs, what waits, what became of the rest; live.

import { count, h, table } from "./dom.js";
import { acting, actions, jobCell, LOOK_MS, progress, state } from "./job_parts.js";
import { listed } from "./listed.js";
import { change, link } from "./route.js";
import { training } from "./train.js";

const STATES = ["queued", "running", "done", "failed", "cancelled"];

/** All jobs, the latest first. */
export function jobsView() {
  const said = h("p", { role: "status" });
  const act = acting(said, () => list.now());
  const show = (page, asked) => [states(page.counts, asked), rows(page.items, act)];
  const list = listed("/jobs", ["state"], show, LOOK_MS);
  const form = training();
  const element = h(
    "div",
    { class: "main" },
    h("h1", {}, "Training jobs"),
    h("div", { class: "card" }, list.element, said),
    form.element,
  );

  async function update(parameters) {
    list.update(parameters);
    await form.update();
  }

  return { element, update, title: "Jobs", end: list.end };
}

function states(counts, wanted) {
  const chosen = wanted.filter(([name]) => name === "state").map(([, value]) => value);
  const pick = (name) => change(new URLSearchParams(name ? [["state", name]] : []));
  const button = (name, text, pressed) =>
    h(
      "button",
      {
        type: "button",
        "data-key": `show ${name}`,
        "aria-pressed": String(pressed),
        on: { click: () => pick(name) },
      },
      text,
    );
  const all = Object.values(counts).reduce((sum, one) => sum + one, 0);
  return h(
    "p",
    { class: "states", role: "group", "aria-label": "Show" },
    button(null, `${count(all)} in all`, !chosen.length),
    STATES.map((name) =>
      button(name, `${count(counts[name] ?? 0)} ${name}`, chosen.includes(name)),
    ),
  );
}

function rows(items, act) {
  if (!items.length)
    return h("p", { class: "empty" }, "No such jobs. Train a cell below, or on its own page.");
  return table(
    "Training jobs",
    ["job", "cell", "images", "recipe", "seed", "state", "progress", "device", "action"],
    items.map((job) => [
      h(
        "th",
        { scope: "row" },
        h("a", { href: link("jobs", job.id), "data-key": `job ${job.id}` }, job.id),
      ),
      jobCell(job),
      job.dataset,
      job.recipe + (job.measurement ? `, measures ${job.measurement.kind ?? "on the way"}` : ""),
      String(job.seed),
      state(job),
      progress(job),
      job.device ?? "–",
      actions(job, act),
    ]),
  );
}
