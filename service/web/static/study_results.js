// What a study found, in figures with their intervals.

import { h, signed, table } from "./dom.js";
import { link } from "./route.js";

/** The section of a study's page; null as long as there is nothing to tell. */
export function resultsOf(study) {
  const { results } = study;
  const found = Array.isArray(results) ? results : [results];
  const pairs = found.filter((one) => one.verdict !== undefined);
  const names = new Map(study.parts.map((part) => [part.cell, part.name ?? part.cell]));
  const rows = pairs.length
    ? pairs.map((one) => difference(one, names))
    : found.flatMap(correlations);
  if (!rows.length) return null;
  const head = pairs.length
    ? ["original", "adapted − original (points)", "n", "says"]
    : ["cells of", "learning rate", "against", "correlation with", "ρ", "n"];
  const about = pairs.length
    ? "Differences of final accuracy, with 95 % t intervals."
    : "Spearman's ρ over the study's cells with its 95 % interval; where that holds zero, the study can't tell.";
  return h(
    "section",
    { class: "card", "aria-labelledby": "found" },
    h("h2", { id: "found" }, "What it found"),
    h("p", { class: "of-what" }, about),
    table("What the study found", head, rows),
  );
}

function difference(one, names) {
  const name =
    one.original === "all"
      ? "all together"
      : h("a", { href: link("cell", one.original) }, names.get(one.original));
  return [
    h("th", { scope: "row" }, name),
    estimate(one.mean, one.ci, one.reasons?.mean),
    String(one.n),
    one.verdict,
  ];
}

function correlations(one) {
  return (one.correlations ?? []).map((item) => [
    item.space,
    one.learning_rate === undefined ? "–" : String(one.learning_rate),
    h("th", { scope: "row" }, item.y),
    item.x,
    estimate(item.coefficient, item.ci, item.reason),
    String(item.n),
  ]);
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
