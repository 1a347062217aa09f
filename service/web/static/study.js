// One study: its pictures, its settings, its parts.

import { address, get } from "./api.js";
import { count, fill, h, refill, table } from "./dom.js";
import { callLink, figure } from "./figure.js";
import { acting, underWay } from "./job_parts.js";
import { live } from "./live.js";
import { registry } from "./recorded.js";
import { link } from "./route.js";
import { resultsOf } from "./study_results.js";
import { ABOUT, cells, LOOK_MS, progress } from "./study_parts.js";

const DRAWN_MS = 15_000;
const ROWS = 100;

/** One study: its pictures, its settings, its parts. */
export function studyView(of) {
  const path = `/studies/${of}`;
  const top = h(
    "div",
    { "aria-busy": "true" },
    h("h1", {}, `Study ${of}`),
    h("p", { class: "empty" }, "Loading …"),
  );
  const said = h("p", { role: "status" });
  const pictures = h("div", {});
  const rest = h("div", {});
  const results = h("div", {});
  const element = h("div", { class: "main" }, top, said, results, pictures, rest);
  const figures = new Map();
  let seen = null;
  let drawn = 0;

  const act = acting(said, () => watching.now());

  const watching = live(
    async () => {
      const [study, { measures }] = await Promise.all([get(path), registry()]);
      const now = JSON.stringify([study.state, study.progress, study.parts]);
      if (now !== seen) show(study, measures, now);
      seen = now;
      if (!underWay(study)) watching.rest();
    },
    (problem) => {
      seen = null;
      fill(top, h("h1", {}, `Study ${of}`), h("p", { class: "error" }, problem.message));
      top.setAttribute("aria-busy", "false");
    },
    LOOK_MS,
  );

  function show(study, measures, now) {
    refill(top, heading(study, act), facts(study));
    top.setAttribute("aria-busy", "false");
    refill(results, resultsOf(study, measures));
    refill(rest, parts(study));
    // Pictures of many curves take seconds to draw: not at every step of each.
    if (underWay(study) && Date.now() - drawn < DRAWN_MS) return;
    drawn = Date.now();
    for (const view of Object.keys(study.links.pictures)) {
      picture(view).update([["view", view]], now);
    }
  }

  function picture(view) {
    if (!figures.has(view)) {
      const made = figure(`${path}/plot`, { name: `Picture “${view}”`, level: 2 });
      figures.set(view, made);
      pictures.append(h("div", { class: "card" }, made.element));
    }
    return figures.get(view);
  }

  function end() {
    watching.end();
    for (const one of figures.values()) one.end();
  }

  return { element, update: () => watching.now(), title: `Study ${of}`, end };
}

function heading(study, act) {
  const button = (text, method, path) =>
    h("button", { type: "button", "data-key": text, on: { click: () => act(method, path) } }, text);
  const own = `/studies/${study.id}`;
  return h(
    "h1",
    {},
    `Study ${study.id}: ${study.kind} `,
    h("span", { class: `state ${study.state}` }, study.state),
    " ",
    underWay(study)
      ? button("Cancel", "DELETE", own)
      : study.state === "done"
        ? null
        : button("Resume", "POST", `${own}/resume`),
  );
}

function facts(study) {
  const own = Object.entries(study.settings).filter(
    ([name]) => name !== "cells" && name !== "kind",
  );
  const pairs = [
    ["progress", progress(study)],
    ...own.map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(", ") || "none" : String(value ?? "–"),
    ]),
  ];
  const files = ["csv", "parquet"].map((form) =>
    h(
      "a",
      { href: address(`/studies/${study.id}`, [["format", form]]), "data-file": true },
      `results as ${form}`,
    ),
  );
  return [
    h("p", { class: "lead" }, ABOUT[study.kind] ?? ""),
    h("p", {}, `Cells: ${cells(study)}`),
    h(
      "dl",
      { class: "facts card" },
      pairs.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
    ),
    h("p", { class: "links" }, files, callLink(`/studies/${study.id}`, [])),
  ];
}

function parts(study) {
  const shown = study.parts.slice(0, ROWS);
  const more = study.parts.length - shown.length;
  return h(
    "details",
    { class: "card", "data-key": "parts" },
    h("summary", {}, `Its ${count(study.parts.length)} trainings`),
    table(
      "Trainings of the study",
      ["cell", "role", "images", "recipe", "seed", "state", "epochs", "job"],
      shown.map((part) => [
        h(
          "th",
          { scope: "row" },
          h("a", { href: link("cell", part.cell) }, part.name ?? part.cell),
        ),
        part.role,
        part.dataset,
        part.recipe,
        String(part.seed),
        part.diverged ? "diverged" : part.state,
        String(part.epochs),
        part.job
          ? h("a", { href: link("jobs", part.job.split("/").at(-1)) }, part.job.split("/").at(-1))
          : "known",
      ]),
    ),
    more ? h("p", {}, `and ${count(more)} more`) : null,
  );
}
