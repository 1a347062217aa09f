// The space at a glance: who learns fast, who ends up accurate, and what shape has to do with it.

import { board } from "./board.js";
import { brushed } from "./brush.js";
import { cellsTable, sortBy } from "./cells_table.js";
import { fill, h, labelled, refill, retry, select } from "./dom.js";
import { figure } from "./figure.js";
import { anyColumn, chips, filterForm, filtersOf } from "./filters.js";
import { latest } from "./latest.js";
import { chosen, context, datasets, metricAt, registry } from "./recorded.js";
import { OF_THE_TRAINING } from "./results.js";
import { change, GROUPING, set, without } from "./route.js";
import { measureName, metricName } from "./say.js";

const LIMIT = 25;
const AXES = ["x", "y", "colour"];
const LEAD =
  "Which cells of a search space learn fast, which end up accurate, and what their width and depth have to do with it.";
const WORDS = {
  cell: "the small network of operations that an architecture stacks; a search space is all cells of a kind",
  width:
    "in NAS-Bench-201, how many live edges leave the input; in DARTS' space, the share of in-edges that come from an input, summed over nodes",
  depth: "live edges on the longest path from input to output",
  live: "on a path from input to output; an operation on a dead edge does nothing, whatever it is",
  early: "after the epoch that is chosen as early; the end is the last epoch of the same training",
  training:
    "a recipe with its number of epochs: epoch 12 of 200 and the end of 12 epochs are different things",
};

/** What a first visitor has to know. */
function about() {
  const words = Object.entries(WORDS).map(([word, means]) => [
    h("dt", {}, word),
    h("dd", {}, means),
  ]);
  return h(
    "details",
    {},
    h("summary", {}, "What the words mean"),
    h("dl", { class: "words" }, words),
  );
}

/** The view; `update(parameters)` follows the address. */
export function explore() {
  const form = h("div", {});
  const folded = h(
    "details",
    { class: "side", open: matchMedia("(min-width: 1101px)").matches },
    h("summary", {}, "Data set, filters, coefficient"),
    form,
  );
  const set = h("div", {});
  const claim = board();
  const brush = brushed();
  const shapes = figure("/plots/shapes", {
    name: "Width and depth of cells",
    wide: true,
    data: (given) => ["/groups", [["by", "width,depth"], ...given]],
    onView: (view) => onPick(view),
  });
  const scatter = figure("/plots/scatter", {
    name: "Final accuracy of cells",
    wide: true,
    canvas: true,
    data: (given) => ["/cells", asCells(given)],
    onView: (view) => brush.follow(view),
    beside: brush.element,
  });
  const against = h("div", { class: "against" });
  const over = h("div", { class: "against" });
  const byEpoch = figure("/plots/correlations-by-epoch", {
    name: "Correlation by epoch",
    wide: true,
    data: (given) => ["/correlations/by-epoch", given],
  });
  const groups = figure("/plots/groups", {
    name: "Accuracy by width",
    data: (given) => ["/groups", given],
  });
  const cells = cellsTable("Cells that pass the filters", { sorted: sortBy });
  const nothing = h("p", { class: "card empty", hidden: true });
  const runs = latest();
  const charts = h(
    "div",
    {},
    h(
      "div",
      { class: "pair" },
      h("div", { class: "card" }, shapes.element),
      h("div", { class: "card" }, against, scatter.element),
    ),
    h(
      "div",
      { class: "pair uneven" },
      h("div", { class: "card" }, over, byEpoch.element),
      h("div", { class: "card" }, groups.element),
    ),
    h(
      "section",
      { class: "card", "aria-labelledby": "cells" },
      h("h2", { id: "cells" }, "Cells"),
      cells.element,
    ),
  );
  const element = h(
    "div",
    { class: "explore" },
    folded,
    h(
      "div",
      { class: "main" },
      h("h1", {}, "Explore the cells"),
      h("p", { class: "lead" }, LEAD),
      about(),
      set,
      claim.element,
      nothing,
      charts,
    ),
  );

  let another = null;
  /** How often the view was come back to: what is recorded may be another each time. */
  let visits = 0;

  async function update(parameters, again = false) {
    if (again) visits += 1;
    const signal = runs.begin();
    element.setAttribute("aria-busy", "true");
    await show(parameters, signal);
    if (!signal.aborted) element.setAttribute("aria-busy", "false");
  }

  async function show(parameters, signal) {
    let known;
    try {
      known = await registry();
    } catch (problem) {
      const again = () => update(parameters);
      if (!signal.aborted)
        instead(h("span", { class: "error" }, problem.message), " ", retry(again));
      return;
    }
    if (signal.aborted) return;
    const choice = chosen(known, parameters);
    const filters = filtersOf(parameters);
    another ??= anyColumn(known);
    // Made once, it is taken out of the page and put back.
    const held = another.contains(document.activeElement) ? document.activeElement : null;
    refill(form, filterForm(known, choice, datasets(known), another));
    held?.focus({ preventScroll: true });
    refill(set, chips(parameters));
    if (choice.measure === null) {
      instead(nothingFor(choice));
      return;
    }
    claim.element.hidden = charts.hidden = false;
    nothing.hidden = true;
    const common = [...filters, ...context(choice)];
    const final = metricAt(choice, choice.last);
    const early = choice.early === null ? null : metricAt(choice, choice.early);
    const metrics = early ? [early, final] : [final];
    claim.update(known, choice, [...filters, ...grouping(parameters)]);
    shapes.update([["metric", final], ...common], visits);
    const x = parameters.get("x") ?? early ?? "params_m";
    refill(against, axis(known, choice, early, x));
    brush.over(x, final, common, known.columns, visits);
    scatter.update(
      [
        ["x", x],
        ["y", final],
        ["colour", parameters.get("colour") ?? "width"],
        ...grouping(parameters).filter(([name]) => name === "method"),
        ...common,
      ],
      visits,
    );
    const schedule = ["schedule", String(choice.training.schedule)];
    refill(over, sameCells(parameters));
    byEpoch.update(
      [
        ["x", "width,depth"],
        ["y", choice.measure.measure],
        schedule,
        ...(parameters.has("same_cells") ? [["same_cells", parameters.get("same_cells")]] : []),
        ...grouping(parameters),
        ...common,
      ],
      visits,
    );
    groups.update([["by", "width"], ...metrics.map((name) => ["metric", name]), ...common], visits);
    cells.update(
      common,
      metrics,
      parameters.get("sort") ?? `-${final}`,
      Number(parameters.get("limit") ?? LIMIT),
      visits,
    );
  }

  /** Say this where the charts would stand. */
  function instead(...told) {
    claim.element.hidden = charts.hidden = true;
    nothing.hidden = false;
    fill(nothing, ...told);
  }

  function end() {
    for (const one of [runs, claim, brush, shapes, scatter, byEpoch, groups, cells]) one.end();
  }

  return { element, update, title: "Explore", end };
}

function grouping(parameters) {
  return GROUPING.filter((name) => parameters.has(name)).map((name) => [
    name,
    parameters.get(name),
  ]);
}

/** The cells of a scatter as GET /cells gives them. */
function asCells(given) {
  const axes = given.filter(([name]) => AXES.includes(name)).map(([, value]) => value);
  return [
    ["fields", ["id", ...new Set(axes)].join(",")],
    ...given.filter(([name]) => ![...AXES, "method"].includes(name)),
  ];
}

/** A tile of the map was picked: only its cells from now on. */
function onPick(view) {
  view.addSignalListener("pick", (_, picked) => {
    const [width, depth] = [picked.width?.[0], picked.depth?.[0]];
    if (width === undefined || depth === undefined) return;
    const next = without();
    for (const [name, value] of [
      ["width", width],
      ["depth", depth],
    ]) {
      next.set(`min_${name}`, value);
      next.set(`max_${name}`, value);
    }
    change(next);
  });
}

/** What stands on the x axis of the scatter, to choose; and why that is no early accuracy. */
function axis(known, choice, early, x) {
  const numbers = known.columns
    .filter((column) => column.type !== "text")
    .map((column) => [column.name, column.name]);
  const options = [...(early ? [[early, metricName(early)]] : []), ...numbers];
  if (!options.some(([name]) => name === x)) options.unshift([x, metricName(x)]);
  const pick = (event) => set("x", event.target.value);
  const control = labelled(
    "Final accuracy against",
    select(options, x, { "data-key": "x", on: { change: pick } }),
  );
  return early ? control : [control, h("p", { class: "hint" }, noEarly(choice))];
}

/** Over which cells the correlation by epoch is, to choose. */
function sameCells(parameters) {
  const options = [
    ["", "that have every epoch"],
    ["false", "that each epoch has"],
  ];
  const pick = (event) => set("same_cells", event.target.value);
  return labelled(
    "Over the cells",
    select(options, parameters.get("same_cells") ?? "", {
      "data-key": "same_cells",
      on: { change: pick },
    }),
  );
}

function noEarly(choice) {
  const others = choice.trainings.flatMap((training) =>
    training.measures
      .filter((one) => one.epochs.length > 1)
      .map((one) => ({ training, measure: one.measure })),
  );
  const { measure } = choice.measure;
  return [
    `The ${measureName(measure)} of ${choice.training.recipe} on ${choice.dataset} is recorded at epoch ${choice.last} only: there is no early one. `,
    others.length
      ? "With early epochs: "
      : "No loaded table has a curve on this data set: import one that does, or train cells here.",
    others.flatMap((one, place) => [
      place ? ", " : "",
      h(
        "button",
        { type: "button", class: "inline", on: { click: () => choose(one) } },
        named(one),
      ),
    ]),
  ];
}

function named({ training, measure }) {
  return `${measureName(measure)} of ${training.recipe}, ${training.schedule} epochs`;
}

function choose({ training, measure }) {
  const next = without(...OF_THE_TRAINING);
  for (const name of ["recipe", "images", "split", "schedule"]) next.set(name, training[name]);
  next.set("measure", measure);
  change(next);
}

function nothingFor(choice) {
  if (!choice.dataset)
    return "No accuracies are loaded yet: import a table (cellwise import), or train a cell.";
  if (!choice.training)
    return `No such training is recorded on ${choice.dataset}: choose another on the left.`;
  return "This measure is not recorded for the training: choose another on the left.";
}
