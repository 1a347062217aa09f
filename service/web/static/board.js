// "Does width predict accuracy?" for the trainings that are recorded: early on, and at the end.

import { address, get } from "./api.js";
import { count, fill, h, many, refill, signed, table } from "./dom.js";
import { latest } from "./latest.js";
import { chosen, context, metricAt, trainingName } from "./recorded.js";
import { GROUPING, here, link, set } from "./route.js";
import { alike, measureName, METHODS, noise, seedName, setName, who } from "./say.js";

const TOPOLOGY = ["width", "depth"];
/** What is held, unless another is chosen. */
const HELD = "live_ops";
const MOST = 10;

const MEANING =
  "+1, the widest (deepest) cells are the most accurate; 0, accuracy neither rises nor falls with it; −1, they are the least accurate.";
const COPIES =
  "Cells that compute the same are one network: the intervals of cells as they are take them as dependent.";
const NOISE =
  "Reliability: which share of the variance of accuracy over these cells is of the cells and not of the seeds; without noise: the coefficient if all of it were.";
const CHOSEN =
  "These cells were chosen by an accuracy: what correlates with it among them need not do so among all.";
const OTHERS =
  "Where n differs, early and end are of different cells, and which ones have an early value may hang on how accurate they are. ";
const SAME = "Early and at the end of the same cells: those with both values. ";

/** The board; `update(registry, choice, parameters)`: those of filters and of the coefficient. */
export function board() {
  const about = h("div", {});
  const body = h("div", {});
  const element = h(
    "section",
    { class: "card", "aria-labelledby": "board" },
    h("h2", { id: "board" }, "Does width or depth predict accuracy?"),
    about,
    body,
  );
  const runs = latest();

  async function update(registry, choice, given) {
    const signal = runs.begin();
    element.setAttribute("aria-busy", "true");
    const method = METHODS[here().parameters.get("method") ?? "spearman"] ?? METHODS.spearman;
    const held = given.find(([name]) => name === "group_by")?.[1] ?? HELD;
    const compared = comparisons(given, held);
    const says = [`${method} with its 95 % interval: ${MEANING} ${COPIES}`, within(held), NOISE];
    fill(
      about,
      says.map((text) => h("p", { class: "hint" }, text)),
    );
    // A bound on a metric is one on this training's: others don't have it.
    const bound = given.some(([name]) => name.endsWith("_metric"));
    const there = bound && choice.training ? [choice.training] : choice.trainings;
    const all = there.flatMap((training) => measured(registry, choice, training));
    const shown = all.slice(0, MOST);
    const same = here().parameters.has("same");
    const asked = (one, how) => (same ? [...how.given, ...both(one)] : how.given);
    const told = await Promise.all(
      shown.map(async (one) => ({
        one,
        lines: await Promise.all(
          compared.map(async (how) => ({ how, ...(await ask(one, asked(one, how), signal)) })),
        ),
      })),
    );
    if (signal.aborted) return;
    refill(
      body,
      shown.length
        ? rows(choice, told, given, all.length - shown.length)
        : h("p", { class: "empty" }, "No accuracy is recorded for this data set yet."),
    );
    element.setAttribute("aria-busy", "false");
  }

  return { element, update, end: runs.end };
}

/**
 * All cells as they are; of these, those that can be compared with others; and these within groups of what
 * is `held`.
 */
function comparisons(given, held) {
  const plain = given.filter(([name]) => name !== "group_by");
  return [
    { name: "as they are", given: plain },
    {
      name: "as they are, only the cells of the next line",
      given: [...plain, ["comparable_by", held]],
    },
    { name: alike(held), given: [...plain, ["group_by", held]] },
  ];
}

function within(held) {
  const why =
    held === HELD
      ? " Such cells differ in where the operations that work sit and how they are connected."
      : "";
  return `The third line of each training is of cells ${alike(held)}: the mean of the coefficients within groups of them, weighted by size, its interval from how much groups differ.${why} A group that is all of one width (depth) tells nothing and falls out; the second line is of the cells that are left, as they are. So from the first line to the second only the cells change, and from there to the third only what they are compared with.`;
}

/** A choice for each measure of a training, with its own early epoch where it lacks the chosen one. */
function measured(registry, choice, training) {
  return training.measures.map(({ measure, seeds }) => {
    const { recipe, images, split, schedule } = training;
    const { dataset } = choice;
    const wanted = new URLSearchParams({ dataset, recipe, images, split, schedule, measure });
    // One seed where it was trained from that one too.
    if (seeds.map(String).includes(choice.seed)) wanted.set("seed", choice.seed);
    if (choice.pooled) wanted.set("pooled", "true");
    const found = chosen(registry, wanted);
    const early =
      choice.early !== null && found.epochs.slice(0, -1).includes(choice.early)
        ? choice.early
        : found.early;
    return { ...found, early, parameters: wanted };
  });
}

/** Only cells with an early and a last value. */
function both(one) {
  const epochs = one.early === null ? [] : [one.early, one.last];
  return epochs.map((epoch) => ["min_metric", `${metricAt(one, epoch)}:0`]);
}

/** The early epoch, where there is one, and the last. */
function epochsOf(one) {
  return [one.early, one.last].filter((epoch) => epoch !== null);
}

async function ask(one, given, signal) {
  const metrics = epochsOf(one).map((epoch) => metricAt(one, epoch));
  const call = [
    ...TOPOLOGY.map((x) => ["x", x]),
    ...metrics.map((y) => ["y", y]),
    ...given,
    ...context(one),
  ];
  try {
    const { items, context: of } = await get("/correlations", call, signal);
    return { call, items, sets: of.sets };
  } catch (problem) {
    return { problem: problem.message };
  }
}

function rows(choice, told, given, more) {
  const some = told.filter(({ lines }) =>
    lines.some(({ problem, items }) => problem || items.some((item) => item.coefficient !== null)),
  );
  const head = [
    "training",
    "cells",
    ...TOPOLOGY.flatMap((x) => [`${x}, early`, `${x}, at the end`]),
    "call",
  ];
  const lines = some.flatMap(({ one, lines }) => {
    const name = h(
      "a",
      { href: link("explore", null, [...one.parameters, ...kept()]) },
      trainingName(one.training),
    );
    const on = h(
      "small",
      { class: "below" },
      `${measureName(one.measure.measure)} on ${one.measure.stored_dataset}, ${setName(one.measure.set)}, ${seedsOf(one, lines)}`,
    );
    const first = h(
      "th",
      {
        scope: "row",
        rowspan: lines.length,
        "aria-current": isChosen(one, choice) ? "true" : null,
      },
      name,
      on,
    );
    return lines.map((line, place) => [...(place ? [] : [first]), ...coefficients(one, line)]);
  });
  const left = told.length - some.length;
  return [
    some.length
      ? table("Correlation of width and depth with accuracy, by training", head, lines, {
          class: "board",
        })
      : null,
    left
      ? h(
          "p",
          { class: "of-what" },
          `${some.length ? "Left out: " : ""}${many(left, "measure of a training", "measures of trainings")} of which no correlation is defined for these cells (too few, or all of one width and depth).`,
        )
      : null,
    given.some(([name]) => name.endsWith("_metric")) && h("p", { class: "of-what" }, CHOSEN),
    here().parameters.has("same")
      ? h("p", { class: "of-what" }, SAME, toggle("Each of all cells that have it", ""))
      : some.some(differs) &&
        h("p", { class: "of-what" }, OTHERS, toggle("Compare the same cells", "true")),
    some.length ? said(some) : !filtered(given) && elsewhere(),
    more
      ? h("p", { class: "of-what" }, `Not shown: ${many(more, "further measure")} of trainings.`)
      : null,
  ];
}

function toggle(text, value) {
  const go = () => set("same", value);
  return h(
    "button",
    { type: "button", class: "inline", "data-key": "same", on: { click: go } },
    text,
  );
}

/** Of which seeds the values of a training are: early ones may be of fewer than those of the end. */
function seedsOf(one, lines) {
  const sets = lines.find((line) => line.sets)?.sets;
  const named = epochsOf(one).map((epoch) => [
    epoch,
    seedName(one.seed, sets?.[metricAt(one, epoch)]?.n_seeds),
  ]);
  if (new Set(named.map(([, name]) => name)).size === 1) return named[0][1];
  return named.map(([epoch, name]) => `${name} after epoch ${epoch}`).join(", ");
}

/** What the sources of the numbers say of themselves. */
function said(some) {
  const body = h("dl", {});
  const names = new Set(
    some.flatMap(({ lines: [{ sets }] }) =>
      Object.values(sets ?? {}).flatMap((one) => Object.keys(one.sources)),
    ),
  );
  let known = false;
  async function read() {
    if (known) return;
    const { items } = await get("/sources");
    known = true;
    const notes = items.filter((one) => names.has(one.name) && one.notes.length);
    fill(
      body,
      !notes.length && h("dd", {}, "Their sources have no notes."),
      notes.map((one) => [h("dt", {}, one.title), one.notes.map((note) => h("dd", {}, note))]),
    );
  }
  const open = (event) =>
    event.target.open && read().catch((problem) => fill(body, problem.message));
  return h(
    "details",
    { class: "notes", "data-key": "notes", on: { toggle: open } },
    h("summary", {}, "What has to be known of these numbers"),
    body,
  );
}

function filtered(given) {
  return given.some(([name]) => name !== "space" && !GROUPING.includes(name));
}

/** Whether what is early and what is at the end are of different cells. */
function differs({ lines: [{ items }] }) {
  return items && new Set(items.map((item) => item.n)).size > 1;
}

/** The other space, where this one has none of these results. */
function elsewhere() {
  if (here().parameters.has("space")) return null;
  const go = () => set("space", "darts");
  const button = h("button", { type: "button", class: "inline", on: { click: go } }, "Show those");
  return h("p", { class: "of-what" }, "They may be of cells of the DARTS space. ", button);
}

function isChosen(one, choice) {
  return (
    one.training.key === choice.training?.key && one.measure.measure === choice.measure?.measure
  );
}

function kept() {
  const own = ["dataset", "recipe", "images", "split", "schedule", "measure"];
  const others = ["early", "seed", "pooled", "x", "sort"];
  return [...here().parameters].filter(([name]) => ![...own, ...others].includes(name));
}

/** What stands behind the training in a line. */
function coefficients(one, { how, call, items, problem }) {
  const which = h("td", { class: "which" }, how.name);
  if (problem)
    return [which, h("td", { colspan: 2 * TOPOLOGY.length + 1, class: "error" }, problem)];
  const called = address("/correlations", call);
  return [
    which,
    ...TOPOLOGY.flatMap((x) =>
      [one.early, one.last].map((epoch) => coefficient(one, items, x, epoch)),
    ),
    h("a", { href: called, "data-file": true, title: `GET ${called}` }, h("code", {}, "GET")),
  ];
}

function coefficient(one, items, x, epoch) {
  if (epoch === null) return h("td", { class: "none" }, "no early epoch recorded");
  const found = items.find((item) => item.x === x && item.y === metricAt(one, epoch));
  if (found.coefficient === null) return h("td", { class: "none" }, found.reason);
  if (!found.ci) {
    const told = `${signed(found.coefficient)}: no interval, of ${many(found.n, "cell")}`;
    return h("td", { class: "none", title: who(found) }, told);
  }
  const sign = found.ci[0] > 0 ? "more" : found.ci[1] < 0 ? "less" : "";
  return h(
    "td",
    { class: `number ${sign}`, title: who(found) },
    h("strong", {}, signed(found.coefficient)),
    h("small", {}, ` [${signed(found.ci[0])}, ${signed(found.ci[1])}]`),
    h("small", { class: "below" }, `epoch ${epoch} of ${one.training.schedule}`),
    h(
      "span",
      { class: "of" },
      `n = ${count(found.n)}`,
      h("small", {}, ` (${many(found.n_distinct, "network")})`),
    ),
    noise(found).map((text) => h("small", { class: "below" }, text)),
  );
}
