// The filters of the API as a form, mirrored in the address; all that are set are chips too.

import { h, fill, labelled, quietly, select } from "./dom.js";
import { resultControls } from "./results.js";
import { change, GROUPING, here, set } from "./route.js";
import { ALIKE, METHODS } from "./say.js";

/** Parameters that say what is shown rather than which cells. */
const OF_THE_VIEW = [
  "dataset",
  "recipe",
  "images",
  "split",
  "schedule",
  "measure",
  "early",
  "seed",
  "pooled",
  "sort",
  "limit",
  "x",
  "colour",
  "same",
  "same_cells",
  ...GROUPING,
];
const OPERATIONS = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"];
const EDGES = ["01", "02", "12", "03", "13", "23"];
const TYPED_MS = 400;

/** The filters among a view's parameters, for any collection of the API. */
export function filtersOf(parameters) {
  return [...parameters].filter(([name]) => !OF_THE_VIEW.includes(name));
}

/**
 * The form, for what is recorded and chosen; it changes the address and nothing else. `another` is
 * made once, by `anyColumn`.
 */
export function filterForm(registry, choice, datasets, another) {
  const { parameters } = here();

  function box(name, label, whole = null) {
    // Each box has its own pause: the next one may be typed in before it is over.
    const typed = quietly((value) => {
      delete input.dataset.typed;
      if (here().view === "explore") set(name, value, false);
    }, TYPED_MS);
    const input = h("input", {
      type: "number",
      step: "any",
      value: parameters.get(name) ?? "",
      "data-key": name,
      "aria-label": whole,
      on: {
        input: () => {
          input.dataset.typed = "";
          if (input.validity.valid) typed(input.value);
        },
      },
    });
    return h("label", { class: "half" }, h("span", { class: "label" }, label), input);
  }

  function choose(name, options, label, help = null) {
    const on = { change: (event) => set(name, event.target.value) };
    return labelled(
      label,
      select(options, parameters.get(name) ?? "", { "data-key": name, on }),
      help,
    );
  }

  return h(
    "form",
    {
      class: "filters",
      "aria-label": "Filters",
      on: { submit: (event) => event.preventDefault() },
    },
    h("fieldset", {}, h("legend", {}, "Results"), resultControls(choice, datasets)),
    h(
      "fieldset",
      {},
      h("legend", {}, "Cells"),
      choose(
        "space",
        [
          ["", "NAS-Bench-201"],
          ["darts", "DARTS"],
          ["all", "all spaces"],
        ],
        "Search space",
      ),
      h(
        "div",
        { class: "row" },
        box("min_width", "Width from"),
        box("max_width", "to", "Width to"),
      ),
      h(
        "div",
        { class: "row" },
        box("min_depth", "Depth from"),
        box("max_depth", "to", "Depth to"),
      ),
      choose(
        "connected",
        [
          ["", "any"],
          ["true", "yes"],
          ["false", "no"],
        ],
        "Output reached from input",
      ),
      choose(
        "unique",
        [
          ["", "every cell"],
          ...registry.sameness
            .filter((one) => one.name !== "string")
            .map((one) => [one.name, one.meaning]),
        ],
        "One cell of each class",
      ),
      h(
        "details",
        { "data-key": "edges", open: EDGES.some((edge) => parameters.has(`op_${edge}`)) },
        h("summary", {}, "Operations on edges"),
        EDGES.map((edge) =>
          choose(
            `op_${edge}`,
            [["", "any"], ...OPERATIONS.map((name) => [name, name])],
            `Edge ${edge[0]} → ${edge[1]}`,
          ),
        ),
      ),
      another,
    ),
    h(
      "fieldset",
      {},
      h("legend", {}, "Correlation"),
      choose(
        "method",
        Object.entries(METHODS).map(([name, text]) => [name === "spearman" ? "" : name, text]),
        "Coefficient",
      ),
      choose(
        "group_by",
        [
          ["", "all cells"],
          ...Object.entries(ALIKE).map(([name, text]) => [name, `cells ${text}`]),
        ],
        "Compare",
        "Within groups: the mean of the coefficients in each, weighted by their size. The first table has all cells and cells of the same live operations, or of what is chosen here.",
      ),
    ),
  );
}

/** A bound on any column, to be added to the filters; what is chosen here stays until then. */
export function anyColumn(registry) {
  const columns = registry.columns.filter((column) => !["width", "depth"].includes(column.name));
  const column = select(
    columns.map((one) => [one.name, one.name]),
    "params_m",
    { "aria-label": "Column" },
  );
  const bound = select(
    [
      ["min_", "at least"],
      ["max_", "at most"],
      ["", "equal to"],
    ],
    "min_",
    { "aria-label": "Bound" },
  );
  const value = h("input", { type: "number", step: "any", "aria-label": "Value" });
  const about = h("small", {});
  const tell = () => {
    const one = columns.find((found) => found.name === column.value);
    fill(about, `${one.meaning} (${one.unit})`);
  };
  column.addEventListener("change", tell);
  tell();
  const add = () =>
    value.value !== "" && value.validity.valid && set(bound.value + column.value, value.value);
  return h(
    "details",
    { "data-key": "another column" },
    h("summary", {}, "Another column"),
    h("div", { class: "row" }, column, bound, value),
    about,
    h("button", { type: "button", on: { click: add } }, "Add"),
  );
}

/** The filters that are set, each with a button that takes it away. */
export function chips(parameters) {
  const grouping = [...parameters].filter(([name]) => GROUPING.includes(name));
  const found = [...filtersOf(parameters), ...grouping];
  if (!found.length) return h("p", { class: "chips" }, "all cells of NAS-Bench-201");
  return h(
    "ul",
    { class: "chips", "aria-label": "Filters that are set" },
    found.map(([name, value]) =>
      h(
        "li",
        {},
        `${name}=${value}`,
        h(
          "button",
          {
            type: "button",
            "aria-label": `Remove ${name}=${value}`,
            "data-key": `remove ${name}=${value}`,
            on: { click: () => remove(name, value) },
          },
          "×",
        ),
      ),
    ),
    h(
      "li",
      { class: "bare" },
      h(
        "button",
        { type: "button", "data-key": "remove all", on: { click: () => change(withoutFilters()) } },
        "Remove all",
      ),
    ),
  );
}

function remove(name, value) {
  const next = new URLSearchParams(
    [...here().parameters].filter(([n, v]) => n !== name || v !== value),
  );
  change(next);
}

function withoutFilters() {
  const kept = ([name]) => OF_THE_VIEW.includes(name) && !GROUPING.includes(name);
  return new URLSearchParams([...here().parameters].filter(kept));
}
