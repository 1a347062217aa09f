// One cell: its diagram and shape, how fast it learns, how it ranks, its relatives, its trainings.

import { get } from "./api.js";
import { diagram } from "./diagram.js";
import { duration, fill, fixed, h, many, number, retry, table } from "./dom.js";
import { callLink } from "./figure.js";
import { latest } from "./latest.js";
import { learningOf } from "./learning.js";
import { forget, registry } from "./recorded.js";
import { relatives } from "./relatives.js";
import { here } from "./route.js";
import { imagesName, setName } from "./say.js";
import { training } from "./train.js";

/** Costs hang on the number of classes, hence on the data set. */
const COSTS = { params_m: "million parameters", flops_m: "million FLOPs" };

/** The view of the cell `of`: an id, an index, a string or a published name. */
export function cellView(of) {
  const top = h("div", {}, h("h1", {}, of), h("p", { class: "empty" }, "Loading …"));
  const learning = learningOf(of);
  const rest = h("div", {});
  const trainings = h("div", {});
  const element = h("div", { class: "main", "aria-busy": "true" }, top, rest);
  const runs = latest();
  const view = { element, update, title: of, end };
  let found = null;

  async function update(parameters) {
    const signal = runs.begin();
    element.setAttribute("aria-busy", "true");
    try {
      found ??= await get(`/cells/${encodeURIComponent(of)}`);
      view.title = found.name ?? found.id;
      const known = await registry();
      if (signal.aborted) return;
      if (!rest.firstChild) await frame(known, signal);
      if (!signal.aborted) await learning.update(known, found, parameters);
    } catch (problem) {
      if (signal.aborted) return;
      const told = h("p", { class: "error" }, problem.message);
      fill(top, h("h1", {}, of), told, problem.status === 0 && retry(() => update(parameters)));
    }
    if (!signal.aborted) element.setAttribute("aria-busy", "false");
  }

  /** All that doesn't hang on what is chosen. */
  async function frame(known, signal) {
    const form = training(found, renew);
    const [heading] = await Promise.all([head(found, known), form.update()]);
    if (signal.aborted) return;
    fill(top, heading);
    fill(trainings, runsOf(found));
    fill(rest, learning.element, form.element, relatives(found, known), trainings);
  }

  /** A training has ended: what is recorded is another now. */
  async function renew() {
    forget();
    found = await get(`/cells/${encodeURIComponent(of)}`);
    fill(trainings, runsOf(found));
    await update(here().parameters);
  }

  function end() {
    runs.end();
    learning.end();
  }

  return view;
}

async function head(cell, known) {
  const costs = Object.keys(COSTS).filter((name) => cell.columns[name] !== null);
  const shown = ["width", "depth", ...costs].map((name) =>
    fact(known, name, cell.columns[name], cell.context.dataset),
  );
  const others = Object.entries(cell.columns).filter(
    ([name, value]) => value !== null && !["width", "depth", "params_m", "flops_m"].includes(name),
  );
  return [
    h("h1", {}, cell.name ?? cell.id, " ", cell.name ? h("small", {}, cell.id) : null),
    h("p", { class: "arch" }, h("code", {}, cell.arch)),
    h(
      "div",
      { class: "pair" },
      h(
        "figure",
        { class: "card" },
        diagram(cell.runs.length ? cell.id : cell.arch, describe(cell)),
        h(
          "figcaption",
          {},
          "Dead edges, which no path from input to output passes, are faint. ",
          h("a", { href: cell.links.diagram, "data-file": true, download: "" }, "SVG"),
          " ",
          h(
            "a",
            { href: cell.links.diagram.replace(".svg", ".png"), "data-file": true, download: "" },
            "PNG",
          ),
        ),
      ),
      h(
        "section",
        { class: "card", "aria-label": "Shape" },
        cell.connected
          ? null
          : h(
              "p",
              { class: "error" },
              "Disconnected: no path leads from its input to its output, so it has no width and depth.",
            ),
        h("dl", { class: "facts" }, shown),
        h(
          "details",
          {},
          h("summary", {}, "Every other reading"),
          h(
            "dl",
            { class: "facts small" },
            others.map(([name, value]) => fact(known, name, value)),
          ),
        ),
        await shapeRanks(cell),
      ),
    ),
  ];
}

function fact(known, name, value, dataset = null) {
  const of = COSTS[name] && dataset ? `${COSTS[name]} (${dataset})` : name;
  const about = known.columns.find((column) => column.name === name);
  return h(
    "div",
    {},
    h("dt", { title: about ? `${about.meaning} (${about.unit})` : null }, of),
    h("dd", {}, number(value)),
  );
}

async function shapeRanks(cell) {
  const call = [["cell", cell.name ?? (cell.runs.length ? cell.id : cell.arch)]];
  let item;
  try {
    [item] = (await get("/ranks", call)).items;
  } catch (problem) {
    return h("p", { class: "error" }, problem.message);
  }
  const said = Object.entries(item.ranks)
    .filter(([name]) => ["width", "depth"].includes(name))
    .map(([name, rank]) => h("li", {}, rankSaid(name, rank)));
  return [h("ul", { class: "ranks" }, said), h("p", { class: "links" }, callLink("/ranks", call))];
}

function rankSaid(name, rank) {
  if (rank.rank === null) return `${name}: ${rank.reason}`;
  const [most, least] = { width: ["widest", "narrowest"], depth: ["shallowest", "deepest"] }[name];
  const place =
    rank.position === 1
      ? `the ${most}`
      : rank.position === rank.positions
        ? `the ${least}`
        : `${ordinal(rank.position)} ${most}`;
  return `${name} ${number(rank.value)}: ${place} of ${rank.positions} values among ${rank.among} (rank ${number(rank.rank)})`;
}

function ordinal(value) {
  const ending =
    value % 100 > 10 && value % 100 < 14 ? "th" : (["th", "st", "nd", "rd"][value % 10] ?? "th");
  return `${value}${ending}`;
}

function describe(cell) {
  const edges = cell.edges.map(
    (edge) => `${edge.source} to ${edge.target} ${edge.operation}${edge.live ? "" : ", dead"}`,
  );
  return `Diagram of ${cell.name ?? cell.id}: ${edges.join("; ")}`;
}

function runsOf(cell) {
  if (!cell.runs.length) return null;
  const rows = cell.runs.map((run) => [
    run.dataset,
    `${run.recipe}, ${run.schedule} epochs${imagesName(run)}`,
    run.seed === null ? `replicate ${run.replicate}` : String(run.seed),
    run.source,
    run.recorded
      .filter((entry) => entry.measure === "accuracy")
      .map(
        (entry) =>
          `${fixed(entry.last_value)} % on ${setName(entry.set)} after epoch ${entry.last_epoch}`,
      )
      .join("; "),
    `${duration(run.train_time_s)}${run.time_source === "derived" ? " (derived)" : ""}`,
    h("a", { href: `/runs/${encodeURIComponent(run.id)}`, "data-file": true }, "JSON"),
  ]);
  return h(
    "section",
    { class: "card", "aria-labelledby": "runs" },
    h("h2", { id: "runs" }, `Trainings: ${many(cell.runs.length, "run")}`),
    table(
      "Single trainings of this cell",
      ["data set", "recipe", "seed", "source", "accuracy", "time", "file"],
      rows,
    ),
    h("p", { class: "links" }, callLink("/runs", [["cell", cell.id]])),
  );
}
