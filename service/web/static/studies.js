// Studies: the paper's experiments on any cells, with their pictures.

import { address, get, write } from "./api.js";
import { count, fill, h, refill, table } from "./dom.js";
import { callLink, figure } from "./figure.js";
import { live } from "./live.js";
import { link } from "./route.js";

const LOOK_MS = 3000;
const LIMIT = 25;
const ABOUT = {
  landscape: "The loss around trained weights",
  "gradient-variance": "How much gradients differ between batches",
  smoothness: "The largest eigenvalues of the loss, by block",
  variants: "Cells against randomly wired variants of them",
  "lr-robustness": "Cells trained at several learning rates",
  generalisation: "Cells against their narrow, deep adapted forms",
};
const ROWS = 100;

/** All studies, the latest first. */
export function studiesView() {
  const list = h(
    "div",
    { class: "card", "aria-busy": "true" },
    h("p", { class: "empty" }, "Loading the studies …"),
  );
  const element = h(
    "div",
    { class: "main" },
    h("h1", {}, "Studies"),
    h(
      "p",
      { class: "lead" },
      "Each tests a part of the claim on trained networks. Run one with ",
      h("code", {}, "cellwise study run"),
      " or ",
      h("code", {}, "POST /studies"),
      ".",
    ),
    list,
  );
  let seen = null;

  const watching = live(async () => {
    const call = [["limit", String(LIMIT)]];
    try {
      const page = await get("/studies", call);
      if (JSON.stringify(page) !== seen) refill(list, rows(page.items), callLink("/studies", call));
      seen = JSON.stringify(page);
    } catch (problem) {
      seen = null;
      fill(list, h("p", { class: "error" }, problem.message));
    }
    list.setAttribute("aria-busy", "false");
  }, LOOK_MS);

  return { element, update: () => watching.now(), title: "Studies", end: watching.end };
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
      cells(study),
      datasets(study),
      study.settings.recipe,
      study.settings.seeds.join(", "),
      h("span", { class: `state ${study.state}` }, study.state),
      progress(study),
    ]),
  );
}

function cells(study) {
  const names = study.settings.cells.filter((cell) => cell.length < 30);
  const more = study.settings.cells.length - names.length;
  return names.join(", ") + (more ? `${names.length ? " and " : ""}${count(more)} genotypes` : "");
}

function datasets(study) {
  return (study.settings.datasets ?? [study.settings.dataset]).join(", ");
}

function progress(study) {
  const { ended, parts } = study.progress;
  return [
    h("progress", {
      value: ended,
      max: parts,
      "aria-label": `Study ${study.id}: ${ended} of ${parts} ended`,
    }),
    h("small", {}, ` ${ended}/${parts} ended`),
  ];
}

/** One study: its pictures, its settings, its parts. */
export function studyView(of) {
  const top = h("div", { "aria-busy": "true" }, h("p", { class: "empty" }, "Loading the study …"));
  const said = h("p", { role: "status" });
  const pictures = h("div", {});
  const rest = h("div", {});
  const element = h("div", { class: "main" }, top, said, pictures, rest);
  const figures = new Map();
  let seen = null;

  const watching = live(async () => {
    let study;
    try {
      study = await get(`/studies/${of}`);
    } catch (problem) {
      if (problem.status) watching.end();
      fill(top, h("h1", {}, `Study ${of}`), h("p", { class: "error" }, problem.message));
      top.setAttribute("aria-busy", "false");
      return;
    }
    const now = JSON.stringify([study.state, study.progress, study.parts]);
    if (now !== seen) {
      refill(top, heading(study, act), facts(study));
      top.setAttribute("aria-busy", "false");
      for (const view of Object.keys(study.links.pictures))
        picture(view).update([["view", view]], now);
      refill(rest, parts(study));
      seen = now;
    }
    if (study.state === "done" || study.state === "failed" || study.state === "cancelled")
      watching.rest();
  }, LOOK_MS);

  function picture(view) {
    if (!figures.has(view)) {
      const made = figure(`/studies/${of}/plot`, { level: 2 });
      figures.set(view, made);
      pictures.append(h("div", { class: "card" }, made.element));
    }
    return figures.get(view);
  }

  async function act(method, path) {
    fill(said);
    await write(method, path).catch((problem) =>
      fill(said, h("span", { class: "error" }, problem.message)),
    );
    seen = null;
    watching.now();
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
  const open = ["queued", "running"].includes(study.state);
  return h(
    "h1",
    {},
    `Study ${study.id}: ${study.kind} `,
    h("span", { class: `state ${study.state}` }, study.state),
    " ",
    open
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
    ["cells", cells(study)],
    ["progress", progress(study)],
    ...own.map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(", ") || "none" : String(value),
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
    { class: "card" },
    h("summary", {}, `Its ${count(study.parts.length)} trainings`),
    table(
      "Trainings of the study",
      ["cell", "role", "images", "recipe", "seed", "state", "epochs", "job"],
      shown.map((part) => [
        h("th", { scope: "row" }, h("a", { href: link("cell", part.cell) }, part.cell)),
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
