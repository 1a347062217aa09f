// What a study found, in figures with their intervals.

import { h, number, signed, table } from "./dom.js";
import { link } from "./route.js";

const SHAPE = ["width", "depth"];

/** Measures that studies alone have; those of curves are in the answer of GET /columns. */
const MEANINGS = {
  accuracy: "accuracy after this epoch",
  variance: "variance of the gradient between mini-batches, after this epoch (0: before training)",
  plane_mean: "the gradient's variance, averaged over the plane around the trained weights",
  centre: "loss at the trained weights",
  mean_curvature: "mean of the loss's two curvatures at the trained weights, in the plane",
  convex_share: "share of the plane's inner points where the loss is convex",
  area_below: "share of the plane with a loss below the centre's plus 1 nat",
  network: "largest eigenvalue of the whole network's Hessian, after this epoch",
};

/**
 * The section of a study's page; null as long as there is nothing to tell. `measures` are those of GET
 * /columns.
 */
export function resultsOf(study, measures) {
  const { results } = study;
  const found = Array.isArray(results) ? results : [results];
  const pairs = found.filter((one) => one.verdict !== undefined);
  const correlations = found.flatMap((one) =>
    (one.correlations ?? []).map((item) => ({ ...item, rate: one.learning_rate })),
  );
  if (!pairs.length && !correlations.length) return null;
  const names = new Map(study.parts.map((part) => [part.cell, part.name ?? part.cell]));
  return h(
    "section",
    { class: "card", "aria-labelledby": "found" },
    h("h2", { id: "found" }, "What it found"),
    pairs.length
      ? differences(pairs, names, study.settings.confidence)
      : coefficients(correlations, measures),
  );
}

function differences(pairs, names, confidence) {
  const rows = pairs.map((one) => [
    h(
      "th",
      { scope: "row" },
      one.original === "all"
        ? "all together"
        : h("a", { href: link("cell", one.original) }, names.get(one.original)),
    ),
    estimate(one.mean, one.ci, one.reasons?.mean),
    ofPairs(one),
    one.verdict ?? one.reasons.verdict,
  ]);
  return [
    h(
      "p",
      { class: "of-what" },
      `Differences of final accuracy, with ${number(100 * confidence)} % t intervals over pairs of one data set and seed; bold where zero is outside.`,
    ),
    table("What the study found", ["original", "adapted − original (points)", "n", "says"], rows),
  ];
}

// How many pairs there are, and why some don't count.
function ofPairs(one) {
  if (!one.n_incomplete) return String(one.n);
  const why = Object.entries(one.excluded).map(([reason, of]) => `${of} ${reason}`);
  return `${one.n} (${one.n_incomplete} incomplete: ${why.join(", ")})`;
}

function coefficients(items, measures) {
  const rows = new Map();
  for (const item of items) {
    const key = JSON.stringify([item.space, item.rate, item.y]);
    rows.set(key, { ...(rows.get(key) ?? item), [item.x]: item });
  }
  const rates = items.some((item) => item.rate !== undefined);
  const lines = [...rows.values()].map((row) => [
    h("th", { scope: "row" }, row.y),
    row.space,
    ...(rates ? [String(row.rate)] : []),
    ...SHAPE.map((x) => estimate(row[x].coefficient, row[x].ci, row[x].reason)),
    String(row.n),
  ]);
  const intervals = items.filter((item) => item.ci).length;
  return [
    h(
      "p",
      { class: "of-what" },
      "Spearman's ρ over the study's cells, with its 95 % interval; bold where zero is outside, else not shown to differ from zero. ",
      `Were there nothing to find, about one in twenty of these ${intervals} would be bold all the same.`,
    ),
    h(
      "div",
      { class: "long" },
      table(
        "What the study found",
        [
          "measure",
          "cells of",
          ...(rates ? ["learning rate"] : []),
          "with width",
          "with depth",
          "n (cells)",
        ],
        lines,
      ),
    ),
    meanings(items, measures),
  ];
}

function meanings(items, measures) {
  const known = {
    ...Object.fromEntries(measures.map((one) => [one.name, one.meaning])),
    ...MEANINGS,
  };
  // "aulc@6" is aulc, "epochs_to_60" is epochs_to.
  const names = new Set(items.map((item) => item.y.replace(/@.*$/, "").replace(/_[\d.]+$/, "")));
  return h(
    "details",
    { class: "notes", "data-key": "measures" },
    h("summary", {}, "What the measures mean"),
    h(
      "dl",
      {},
      [...names].map((name) => [h("dt", {}, name), h("dd", {}, known[name] ?? "")]),
    ),
  );
}

function estimate(value, ends, reason) {
  if (value === null) return h("td", { class: "none" }, reason ?? "undefined");
  const clear = ends && ends[0] * ends[1] > 0;
  const told = ends ? ` [${signed(ends[0])}, ${signed(ends[1])}]` : " (no interval)";
  return h(
    "td",
    { class: "number" },
    clear ? h("strong", {}, signed(value)) : signed(value),
    h("small", {}, told),
  );
}
