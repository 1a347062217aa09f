// Training jobs: what runs, what waits, what became of the rest; live.

import { get, write } from "./api.js";
import { count, fill, h, refill, table } from "./dom.js";
import { callLink } from "./figure.js";
import { actions, jobCell, LOOK_MS, progress, state } from "./job_parts.js";
import { live } from "./live.js";
import { change, link } from "./route.js";
import { trainForm } from "./train.js";

const STATES = ["queued", "running", "done", "failed", "cancelled"];
const LIMIT = 25;

/** All jobs, the latest first. */
export function jobsView() {
  const list = h("div", { "aria-busy": "true" }, h("p", { class: "empty" }, "Loading the jobs …"));
  const said = h("p", { role: "status" });
  const form = h("section", { class: "card", "aria-labelledby": "train" });
  const element = h(
    "div",
    { class: "main" },
    h("h1", {}, "Training jobs"),
    h("div", { class: "card" }, list, said),
    form,
  );
  let wanted = [];
  let seen = null;

  const watching = live(async () => {
    try {
      const page = await get("/jobs", wanted);
      const now = JSON.stringify([wanted, page]);
      if (now !== seen)
        refill(
          list,
          states(page.counts, wanted),
          rows(page.items, act),
          pages(page, wanted),
          callLink("/jobs", wanted),
        );
      seen = now;
    } catch (problem) {
      seen = null;
      fill(list, h("p", { class: "error" }, problem.message));
    }
    list.setAttribute("aria-busy", "false");
  }, LOOK_MS);

  async function act(method, path) {
    fill(said);
    await write(method, path).catch((problem) =>
      fill(said, h("span", { class: "error" }, problem.message)),
    );
    watching.now();
  }

  async function update(parameters) {
    wanted = [
      ...[...parameters].filter(([name]) => ["state", "before"].includes(name)),
      ["limit", String(LIMIT)],
    ];
    watching.now();
    if (!form.firstChild) fill(form, await trainForm());
  }

  return { element, update, title: "Jobs", end: watching.end };
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

function pages(page, wanted) {
  const before = page.next && new URL(page.next, location.href).searchParams.get("before");
  const kept = wanted.filter(([name]) => name === "state");
  const button = (text, more) =>
    h(
      "button",
      {
        type: "button",
        "data-key": text,
        on: { click: () => change(new URLSearchParams([...kept, ...more])) },
      },
      text,
    );
  const later = wanted.some(([name]) => name === "before");
  return h(
    "p",
    { class: "pages" },
    later ? button("Latest", []) : null,
    before ? button("Older", [["before", before]]) : null,
  );
}
