// Cells as a table: sorted by its heads, paged by the API's cursors, with the call behind it.

import { address, get } from "./api.js";
import { count, fill, fixed, h, number, refill, table } from "./dom.js";
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

  async function update(parameters, metrics, sort, limit, version = null) {
    const fields = ["id", "name", ...columns, ...metrics].join(",");
    const call = [...parameters, ["fields", fields], ["sort", sort]];
    const wanted = JSON.stringify([call, limit, version]);
    if (wanted === current) return;
    current = wanted;
    await show(call, metrics, sort, limit, [null]);
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
      const first = (cursors.length - 1) * limit;
      fill(
        status,
        page.total
          ? `${count(first + 1)}–${count(first + page.items.length)} of ${count(page.total)} cells`
          : "",
      );
      refill(
        body,
        page.total
          ? rows(page, metrics, sort)
          : h("p", { class: "empty" }, "No cell passes these filters. Take one of them away."),
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
      ...metrics.map((name) => h("td", { class: "number" }, accuracy(item, name))),
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

/** The page of a cell, in the data set, training and measure of this view. */
function cellLink(id) {
  const kept = [...here().parameters].filter(([name]) =>
    ["dataset", "recipe", "images", "schedule", "measure"].includes(name),
  );
  return link("cell", id, kept);
}

/** Sort by a key from now on. */
export function sortBy(key) {
  set("sort", key);
}

function accuracy(item, name) {
  const std = item[`${name}:std`];
  if (item[name] === null) return "–";
  return [
    fixed(item[name]),
    std === null || std === undefined ? null : h("small", {}, ` ± ${fixed(std)}`),
  ];
}

function step(text, possible, go) {
  return h(
    "button",
    { type: "button", "data-key": text, disabled: !possible, on: { click: go } },
    text,
  );
}
