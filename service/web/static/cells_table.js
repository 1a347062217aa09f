// Cells as a table: sorted by its heads, paged by the API's cursors, with the call behind it.

import { address, get } from "./api.js";
import { count, fill, fixed, h, number, refill, spread, table } from "./dom.js";
import { callLink } from "./figure.js";
import { latest } from "./latest.js";
import { here, link, set } from "./route.js";
import { metricName, ofWhat } from "./say.js";

const FILES = ["csv", "ndjson", "parquet", "arrow"];
const COLUMNS = ["width", "depth", "params_m", "flops_m"];
const FEW = ["width", "depth"];
const UNITS = { params_m: "parameters (M)", flops_m: "FLOPs (M)" };

/**
 * A table of the cells that pass; `update(parameters, metrics, sort, limit, version)` asks anew where any
 * is another than before.
 *
 * `sorted(key)` is called when a head is pressed; without it heads are no buttons. `narrow`: with width
 * and depth alone.
 */
export function cellsTable(caption, { sorted = null, narrow = false } = {}) {
  const columns = narrow ? FEW : COLUMNS;
  const status = h("p", { class: "status", role: "status" });
  const body = h("div", {});
  const pages = h("p", { class: "pages" });
  const element = h("div", { class: "cells" }, status, body, pages);
  const runs = latest();
  let current = null;
  let shown = [null];

  async function update(parameters, metrics, sort, limit, version = null) {
    const fields = ["id", "name", ...columns, ...metrics].join(",");
    const call = [...parameters, ["fields", fields], ["sort", sort]];
    const wanted = JSON.stringify([call, limit]);
    const same = wanted === current?.wanted;
    if (same && version === current.version) return;
    current = { wanted, version };
    // What is asked anew is the page that was shown.
    await show(call, metrics, sort, limit, same ? shown : [null]);
  }

  async function show(call, metrics, sort, limit, cursors) {
    const signal = runs.begin();
    element.setAttribute("aria-busy", "true");
    const paged = [...call, ["limit", String(limit)], ["cursor", cursors.at(-1)]].filter(
      ([, value]) => value !== null,
    );
    try {
      const page = await get("/cells", paged, signal);
      if (signal.aborted) return;
      shown = cursors;
      const first = (cursors.length - 1) * limit;
      fill(
        status,
        page.total
          ? `${count(first + 1)}–${count(first + page.items.length)} of ${count(page.total)} cells`
          : "",
      );
      refill(
        body,
        page.total && !bare(page, metrics, sort, cursors)
          ? rows(page, metrics, sort)
          : h("p", { class: "empty" }, nothing(page, sort)),
      );
      const next = page.next && new URL(page.next, location.href).searchParams.get("cursor");
      refill(
        pages,
        page.total > limit && [
          step("Previous", cursors.length > 1, () =>
            show(call, metrics, sort, limit, cursors.slice(0, -1)),
          ),
          step("Next", Boolean(next), () => show(call, metrics, sort, limit, [...cursors, next])),
        ],
        FILES.map((form) =>
          h("a", { href: address("/cells", [...call, ["format", form]]), "data-file": true }, form),
        ),
        callLink(
          "/cells",
          paged.filter(([name]) => name !== "cursor"),
        ),
      );
    } catch (problem) {
      if (signal.aborted) return;
      current = null;
      fill(status);
      fill(body, h("p", { class: "error" }, problem.message));
      fill(pages);
    }
    element.setAttribute("aria-busy", "false");
  }

  function rows(page, metrics, sort) {
    const named = page.items.some((item) => item.name);
    const heads = [
      head("id", "cell", sort),
      ...columns.map((name) => head(name, UNITS[name] ?? name, sort)),
      ...metrics.map((name) => head(name, `${metricName(name)} (%)`, sort)),
    ];
    const lines = page.items.map((item) => [
      h(
        "th",
        { scope: "row" },
        h("a", { href: cellLink(item.id) }, (named && item.name) || item.id),
      ),
      ...columns.map((name) => h("td", { class: "number" }, number(item[name]))),
      ...metrics.map((name) => h("td", { class: "number" }, accuracy(item, name, page.context))),
    ]);
    const told = metrics.map((name) =>
      h(
        "p",
        { class: "of-what" },
        `${metricName(name)}: ${ofWhat(page.context, name)}`,
        page.context.seed === "mean" ? " (± standard deviation over seeds)" : null,
      ),
    );
    return [table(caption, heads, lines), told];
  }

  function head(name, text, sort) {
    const keys = sort.split(",");
    const way = keys[0] === name ? "ascending" : keys[0] === `-${name}` ? "descending" : "none";
    if (!sorted) return h("th", { scope: "col" }, text);
    const press = () => sorted(way === "descending" ? name : `-${name}`);
    return h(
      "th",
      { scope: "col", "aria-sort": way },
      h("button", { type: "button", "data-key": `sort ${name}`, on: { click: press } }, text),
    );
  }

  return { element, update, end: runs.end };
}

/** Whether no cell has any of the metrics: sorted by one of them, those that have it come first. */
function bare(page, metrics, sort, cursors) {
  const has = (item) => metrics.some((name) => item[name] !== null);
  return metrics.includes(firstKey(sort)) && cursors.length === 1 && !page.items.some(has);
}

function firstKey(sort) {
  return sort.split(",")[0].replace(/^-/, "");
}

function nothing(page, sort) {
  if (!page.total) return "No cell passes these filters. Take one of them away.";
  return `${count(page.total)} cells pass, and none of them has a ${metricName(firstKey(sort))}.`;
}

/** The page of a cell, in the data set, training and measure of this view. */
function cellLink(id) {
  const kept = [...here().parameters].filter(([name]) =>
    ["dataset", "recipe", "images", "split", "schedule", "measure"].includes(name),
  );
  return link("cell", id, kept);
}

/** Sort by a key from now on. */
export function sortBy(key) {
  set("sort", key);
}

function accuracy(item, name, context) {
  if (item[name] === null) return "–";
  const one = context.seed === "mean" && item[`${name}:n_seeds`] === 1;
  return [fixed(item[name]), spread(item[`${name}:std`]), one && h("small", {}, " one seed")];
}

function step(text, possible, go) {
  return h(
    "button",
    { type: "button", "data-key": text, disabled: !possible, on: { click: go } },
    text,
  );
}
