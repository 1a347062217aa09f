// Studies: the paper's experiments on any cells, the latest first.

import { h, table } from "./dom.js";
import { listed } from "./listed.js";
import { link } from "./route.js";
import { ABOUT, cells, datasets, LOOK_MS, progress } from "./study_parts.js";

/** Cells that are named of one. */
const MOST_NAMED = 3;

/** All studies, the latest first. */
export function studiesView() {
  const list = listed("/studies", [], (page) => rows(page.items), LOOK_MS);
  const about = [
    "Each tests a part of the claim on trained networks. Run one with ",
    h("code", {}, "cellwise study run"),
    " or ",
    h("code", {}, "POST /studies"),
    ".",
  ];
  const element = h(
    "div",
    { class: "main" },
    h("h1", {}, "Studies"),
    h("p", { class: "lead" }, about),
    h("div", { class: "card" }, list.element),
  );
  return { element, update: list.update, title: "Studies", end: list.end };
}

function rows(items) {
  if (!items.length) return h("p", { class: "empty" }, "No studies yet.");
  return table(
    "Studies",
    ["study", "what", "cells", "on", "recipe", "seeds", "state", "progress"],
    items.map((study) => [
      h(
        "th",
        { scope: "row" },
        h(
          "a",
          { href: link("studies", study.id), "data-key": `study ${study.id}` },
          `${study.id} ${study.kind}`,
        ),
      ),
      ABOUT[study.kind] ?? study.kind,
      cells(study, MOST_NAMED),
      datasets(study),
      study.settings.recipe,
      study.settings.seeds.join(", "),
      h("span", { class: `state ${study.state}` }, study.state),
      progress(study),
    ]),
  );
}
