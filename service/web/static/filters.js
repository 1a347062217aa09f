// The filters of the API as a form, mirrored in the address; whatever else stands there is a chip.

import { address } from "./api.js";
import { h, fill, labelled, quietly, select } from "./dom.js";
import { change, here } from "./route.js";
import { trainingName } from "./recorded.js";
import { measureName, setName } from "./say.js";

/** Parameters that say what is shown rather than which cells. */
const OF_THE_VIEW = [
  "dataset", "recipe", "images", "schedule", "measure", "early", "seed", "source",
  "sort", "limit", "x", "colour", "group_by", "method",
];
const OPERATIONS = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"];
const EDGES = ["01", "02", "12", "03", "13", "23"];
const TYPED_MS = 400;

/** The filters among a view's parameters, for any collection of the API. */
export function filtersOf(parameters) {
  return [...parameters].filter(([name]) => !OF_THE_VIEW.includes(name));
}

/** The form, for what is recorded and chosen; it changes the address and nothing else. */
export function filterForm(registry, choice, datasets) {
  const { parameters } = here();
  const typed = quietly((name, value) => set(name, value, false), TYPED_MS);

  function box(name, label, properties = {}) {
    const input = h("input", {
      type: "number", step: "any", value: parameters.get(name) ?? "", "data-key": name, ...properties,
      on: { input: (event) => event.target.validity.valid && typed(name, event.target.value) },
    });
    return h("label", { class: "half" }, h("span", { class: "label" }, label), input);
  }

  function choose(name, options, label, help = null) {
    const on = { change: (event) => set(name, event.target.value) };
    return labelled(label, select(options, parameters.get(name) ?? "", { "data-key": name, on }), help);
  }

  return h(
    "form",
    { class: "filters", "aria-label": "Filters", on: { submit: (event) => event.preventDefault() } },
    h("fieldset", {}, h("legend", {}, "Results"), contextControls(choice, datasets)),
    h(
      "fieldset",
      {},
      h("legend", {}, "Cells"),
      choose("space", [["", "NAS-Bench-201"], ["darts", "DARTS"], ["all", "all spaces"]], "Search space"),
      h("div", { class: "row" }, box("min_width", "Width from"), box("max_width", "to")),
      h("div", { class: "row" }, box("min_depth", "Depth from"), box("max_depth", "to")),
      choose("connected", [["", "any"], ["true", "yes"], ["false", "no"]], "Output reached from input"),
      choose(
        "unique",
        [["", "every cell"], ...registry.sameness.filter((one) => one.name !== "string").map((one) => [one.name, one.meaning])],
        "One cell of each class",
      ),
      h(
        "details",
        { open: EDGES.some((edge) => parameters.has(`op_${edge}`)) },
        h("summary", {}, "Operations on edges"),
        EDGES.map((edge) =>
          choose(`op_${edge}`, [["", "any"], ...OPERATIONS.map((name) => [name, name])], `Edge ${edge[0]} → ${edge[1]}`),
        ),
      ),
      anyColumn(registry),
    ),
    h(
      "fieldset",
      {},
      h("legend", {}, "Correlation"),
      choose("method", [["", "Spearman's ρ"], ["kendall", "Kendall's τ-b"], ["pearson", "Pearson's r"]], "Coefficient"),
      choose("group_by", [["", "all cells"], ["ops", "cells of the same operations"], ["n_conv3x3", "cells with as many 3×3 convolutions"], ["depth", "cells of the same depth"]], "Compare", "Within groups: the mean of the coefficients in each, weighted by their size."),
    ),
  );
}

function contextControls(choice, datasets) {
  const training = choice.training;
  const measures = training?.measures ?? [];
  const pickTraining = (event) => {
    const one = choice.trainings.find((found) => found.key === event.target.value);
    const next = without("measure", "early", "seed", "x", "sort");
    for (const name of ["recipe", "images", "schedule"]) next.set(name, one[name]);
    change(next);
  };
  const pickDataset = (event) => {
    const next = without("recipe", "images", "schedule", "measure", "early", "seed", "x", "sort");
    next.set("dataset", event.target.value);
    change(next);
  };
  const seeds = choice.measure?.seeds ?? [];
  const early = choice.epochs.slice(0, -1).map((epoch) => [String(epoch), `${epoch} of ${training.schedule}`]);
  return [
    labelled("Data set", select(datasets.map((name) => [name, name]), choice.dataset, { "data-key": "dataset", on: { change: pickDataset } })),
    labelled(
      "Training",
      select(choice.trainings.map((one) => [one.key, trainingName(one)]), training?.key, { "data-key": "training", on: { change: pickTraining } }),
    ),
    labelled(
      "Measure",
      select(measures.map((one) => [one.measure, `${measureName(one.measure)}: ${setName(one.set)}`]), choice.measure?.measure, {
        "data-key": "measure", on: { change: (event) => set("measure", event.target.value, true, "early", "x", "sort") },
      }),
    ),
    early.length
      ? labelled("Early epoch", select(early, String(choice.early), { "data-key": "early", on: { change: (event) => set("early", event.target.value, true, "x", "sort") } }))
      : h("p", { class: "hint" }, choice.last === null ? "" : `This training is recorded at epoch ${choice.last} only: it has no early epochs.`),
    labelled(
      "Seed",
      select([["mean", `mean over ${seeds.join(", ")}`], ...seeds.map((seed) => [String(seed), String(seed)])], String(choice.seed), {
        "data-key": "seed", on: { change: (event) => set("seed", event.target.value === "mean" ? "" : event.target.value) },
      }),
    ),
  ];
}

function anyColumn(registry) {
  const columns = registry.columns.filter((column) => !["width", "depth"].includes(column.name));
  const column = select(columns.map((one) => [one.name, one.name]), "params_m", { "aria-label": "Column" });
  const bound = select([["min_", "at least"], ["max_", "at most"], ["", "equal to"]], "min_", { "aria-label": "Bound" });
  const value = h("input", { type: "number", step: "any", "aria-label": "Value" });
  const about = h("small", {});
  const tell = () => {
    const one = columns.find((found) => found.name === column.value);
    fill(about, `${one.meaning} (${one.unit})`);
  };
  column.addEventListener("change", tell);
  tell();
  const add = () => value.value !== "" && value.validity.valid && set(bound.value + column.value, value.value);
  return h(
    "details",
    {},
    h("summary", {}, "Another column"),
    h("div", { class: "row" }, column, bound, value),
    about,
    h("button", { type: "button", on: { click: add } }, "Add"),
  );
}

/** The filters that are set, each with a button that takes it away. */
export function chips(parameters) {
  const found = filtersOf(parameters);
  if (!found.length) return h("p", { class: "chips" }, "all cells of NAS-Bench-201");
  return h(
    "ul",
    { class: "chips", "aria-label": "Filters that are set" },
    found.map(([name, value]) =>
      h(
        "li",
        {},
        `${name}=${value}`,
        h("button", { type: "button", "aria-label": `Remove ${name}=${value}`, on: { click: () => remove(name, value) } }, "×"),
      ),
    ),
    h("li", { class: "bare" }, h("button", { type: "button", on: { click: () => change(withoutFilters()) } }, "Remove all")),
  );
}

/** The address of these filters for the eye of a reader. */
export function asQuery(parameters) {
  return address("", filtersOf(parameters)).replace(/^\?/, "");
}

function set(name, value, keep = true, ...gone) {
  const next = without(...gone);
  if (value === "" || value === null) next.delete(name);
  else next.set(name, value);
  change(next, keep);
}

function remove(name, value) {
  const next = new URLSearchParams([...here().parameters].filter(([n, v]) => n !== name || v !== value));
  change(next);
}

function without(...names) {
  const next = new URLSearchParams(here().parameters);
  for (const name of names) next.delete(name);
  return next;
}

function withoutFilters() {
  return new URLSearchParams([...here().parameters].filter(([name]) => OF_THE_VIEW.includes(name)));
}
