// The cells inside a rectangle of the scatter: drawn with the mouse, or typed.

import { cellsTable } from "./cells_table.js";
import { fill, h, quietly } from "./dom.js";
import { change, without } from "./route.js";
import { metricName } from "./say.js";

const BRUSHED_MS = 150;
const SHOWN = 10;

/**
 * The list beside a scatter; `over(x, y, parameters, columns, version)` says of what, `follow(view)` of
 * which chart.
 */
export function brushed() {
  const cells = cellsTable("Cells in the brushed region", { narrow: true, sorted: sortBy });
  const inputs = ["x from", "x to", "y from", "y to"].map((label) =>
    h("input", {
      type: "number",
      step: "any",
      "aria-label": label,
      placeholder: label,
      on: { input: quietly(() => typed(), BRUSHED_MS) },
    }),
  );
  const keep = h(
    "button",
    { type: "button", disabled: true, on: { click: asFilter } },
    "Keep as filter",
  );
  const clear = h("button", { type: "button", disabled: true, on: { click: nothing } }, "Clear");
  const legend = h("legend", {});
  const list = h("div", { class: "brushed" });
  const element = h(
    "fieldset",
    { class: "brush" },
    legend,
    h("div", { class: "row" }, inputs, keep, clear),
    list,
  );
  let axes = ["", ""];
  let common = [];
  let bounds = null;
  let chart = null;
  let columns = [];
  let version = null;
  let sort = null;

  /** Bounds on a column have parameters of their own, those on a metric name it. */
  function isMetric(axis) {
    return !columns.includes(axis);
  }

  function over(x, y, parameters, known, visits) {
    columns = known.map((column) => column.name);
    if (axes.join() !== [x, y].join()) {
      sort = null;
      nothing();
    }
    axes = [x, y];
    common = parameters;
    version = visits;
    fill(legend, "Drag over the chart, or type a region, to list its cells");
    inputs.forEach((input, place) => (input.title = metricName(axes[place < 2 ? 0 : 1])));
    if (bounds) show();
  }

  function follow(view) {
    chart = view;
    view.addSignalListener(
      "brush",
      quietly((_, region) => fromChart(region), BRUSHED_MS),
    );
  }

  function fromChart(region) {
    if (!region.x || !region.y) {
      if (bounds) empty();
      return;
    }
    bounds = [...sorted(region.x), ...sorted(region.y)];
    inputs.forEach((input, place) => (input.value = bounds[place].toFixed(2)));
    show();
  }

  function typed() {
    if (inputs.every((input) => input.value === "")) return nothing();
    bounds = inputs.map((input) => (input.value === "" ? null : Number(input.value)));
    show();
  }

  function show() {
    clear.disabled = false;
    keep.disabled = [0, 2].some((from) => beyond(bounds[from], bounds[from + 1]));
    if (keep.disabled) {
      fill(list, h("p", { class: "error" }, "The region ends before it begins: swap from and to."));
      return;
    }
    if (!list.contains(cells.element)) fill(list, cells.element);
    cells.update(
      [...common, ...limits()],
      axes.filter(isMetric),
      sort ?? `-${axes[1]}`,
      SHOWN,
      version,
    );
  }

  function sortBy(key) {
    sort = key;
    show();
  }

  function limits() {
    return bounds.flatMap((value, place) => {
      if (value === null) return [];
      const axis = axes[place < 2 ? 0 : 1];
      const bound = place % 2 ? "max" : "min";
      const text = String(Number(value.toFixed(4)));
      return [isMetric(axis) ? [`${bound}_metric`, `${axis}:${text}`] : [`${bound}_${axis}`, text]];
    });
  }

  function asFilter() {
    const next = without();
    for (const [name, value] of limits()) {
      // Instead of a bound on the same that is there: several of one metric would all hold.
      const [metric] = value.split(":");
      if (name.endsWith("_metric")) {
        const others = next.getAll(name).filter((one) => one.split(":")[0] !== metric);
        next.delete(name);
        for (const one of [...others, value]) next.append(name, one);
      } else {
        next.set(name, value);
      }
    }
    if (sort) next.set("sort", sort);
    nothing();
    change(next);
  }

  function nothing() {
    empty();
    chart
      ?.signal("brush_tuple", null)
      .runAsync()
      .catch(() => null);
  }

  function empty() {
    bounds = null;
    keep.disabled = clear.disabled = true;
    inputs.forEach((input) => (input.value = ""));
    fill(list);
  }

  return { element, over, follow, end: cells.end };
}

function beyond(from, to) {
  return from !== null && to !== null && from > to;
}

function sorted(pair) {
  return [...pair].sort((a, b) => a - b);
}
