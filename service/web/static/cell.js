// One cell: its diagram and shape, how fast it learns, how it ranks, its relatives, its trainings.

import { get } from "./api.js";
import { diagram } from "./diagram.js";
import { duration, fill, fixed, h, labelled, many, number, select, table } from "./dom.js";
import { callLink, figure } from "./figure.js";
import { relatives } from "./relatives.js";
import { chosen, context, metricAt, registry, trainings } from "./recorded.js";
import { change, link } from "./route.js";
import { measureName, metricName, ofWhat, setName } from "./say.js";
import { trainForm } from "./train.js";

const EPOCHS = [1, 4, 8, 12, 25, 50, 100, 150, 200];
const COSTS = { params_m: "million parameters", flops_m: "million FLOPs" };

/** The view of the cell `of`: an id, an index, a string or a published name. */
export function cellView(of) {
  const top = h("div", {}, h("p", { class: "empty" }, "Loading the cell …"));
  const learning = h("section", { class: "card", "aria-labelledby": "learning" });
  const curves = figure("/plots/curves", {
    wide: true,
    data: [`/cells/${encodeURIComponent(of)}/curves`, (given) => given.filter(([name]) => name !== "cell")],
  });
  const rest = h("div", {});
  const element = h("div", { class: "main", "aria-busy": "true" }, top, rest);
  let found = null;

  async function update(parameters) {
    element.setAttribute("aria-busy", "true");
    await show(parameters);
    element.setAttribute("aria-busy", "false");
  }

  async function show(parameters) {
    try {
      found ??= await get(`/cells/${encodeURIComponent(of)}`);
    } catch (problem) {
      fill(top, h("h1", {}, of), h("p", { class: "error" }, problem.message));
      return;
    }
    document.title = `${found.name ?? found.id} – Cellwise`;
    const known = await registry();
    if (!rest.firstChild) {
      fill(top, await head(found, known));
      fill(rest, learning, h("section", { class: "card", "aria-labelledby": "train" }, await trainForm(found)), relatives(found), runs(found));
    }
    await learn(known, parameters);
  }

  async function learn(known, parameters) {
    const choices = ofThisCell(known, found);
    const choice = best(known, choices, parameters);
    fill(learning, h("h2", { id: "learning" }, "How fast it learns, how accurate it ends"));
    if (!choice) {
      learning.append(
        h("p", { class: "empty" }, "No table that is loaded has a result of this cell, and it wasn't trained here. Train it below: its curve grows here."),
      );
      return;
    }
    learning.append(picker(choices, choice));
    const body = h("div", { class: "pair" });
    learning.append(body);
    if (choice.epochs.length > 1) {
      body.append(h("div", {}, curves.element));
      curves.update([
        ["cell", found.id],
        ["metric", choice.measure.measure],
        ["schedule", String(choice.training.schedule)],
        ["seed", "all"],
        ...context({ ...choice, seed: "mean" }),
      ]);
    } else {
      const other = choices.find((one) => one.epochs.length > 1);
      body.append(
        h(
          "p",
          { class: "empty" },
          `Only the accuracy after epoch ${choice.last} is recorded of this training: its learning curve is in no loaded table. `,
          other
            ? h("a", { href: link("cell", of, choiceParameters(other)) }, `It has a curve on ${other.dataset} (${other.training.recipe}).`)
            : "Train the cell below to see one.",
        ),
      );
    }
    body.append(await standing(found, choice));
  }

  return { element, update, title: of, end: curves.end };
}

async function head(cell, known) {
  const shown = ["width", "depth", "params_m", "flops_m"].map((name) => fact(known, name, cell.columns[name]));
  const others = Object.entries(cell.columns).filter(([name, value]) => value !== null && !["width", "depth", "params_m", "flops_m"].includes(name));
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
          h("a", { href: cell.links.diagram.replace(".svg", ".png"), "data-file": true, download: "" }, "PNG"),
        ),
      ),
      h(
        "section",
        { class: "card", "aria-label": "Shape" },
        cell.connected ? null : h("p", { class: "error" }, "Disconnected: no path leads from its input to its output, so it has no width and depth."),
        h("dl", { class: "facts" }, shown),
        h("details", {}, h("summary", {}, "Every other reading"), h("dl", { class: "facts small" }, others.map(([name, value]) => fact(known, name, value)))),
        await shapeRanks(cell),
      ),
    ),
  ];
}

function fact(known, name, value) {
  const about = known.columns.find((column) => column.name === name);
  return h("div", {}, h("dt", { title: about ? `${about.meaning} (${about.unit})` : null }, COSTS[name] ?? name), h("dd", {}, number(value)));
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
  const most = { width: "widest", depth: "shallowest" }[name];
  const place = rank.position === 1 ? `the ${most}` : `${ordinal(rank.position)} ${most} value`;
  return `${name} ${number(rank.value)}: ${place} of ${rank.positions} among ${rank.among} (rank ${rank.rank.toLocaleString("en-US")})`;
}

function ordinal(value) {
  const ending = value % 100 > 10 && value % 100 < 14 ? "th" : (["th", "st", "nd", "rd"][value % 10] ?? "th");
  return `${value}${ending}`;
}

/** What each of the cell's trainings is recorded to have, as choices. */
function ofThisCell(known, cell) {
  const own = new Map(cell.runs.map((run) => [`${run.dataset} ${run.recipe} ${run.images} ${run.schedule}`, run]));
  const measured = (run, set) => run.recorded.some((entry) => entry.set === set && entry.measure === "accuracy");
  return [...own.values()].flatMap((run) => {
    const training = trainings(known, run.dataset).find(
      (one) => one.recipe === run.recipe && one.images === run.images && one.schedule === run.schedule,
    );
    if (!training) return [];
    return training.measures
      .filter((measure) => measure.stored_dataset === run.dataset && measured(run, measure.set))
      .map((measure) => chosen(known, choiceParameters({ dataset: run.dataset, training, measure })));
  });
}

function choiceParameters(choice) {
  const { recipe, images, schedule } = choice.training;
  return new URLSearchParams({ dataset: choice.dataset, recipe, images, schedule, measure: choice.measure.measure });
}

/** The choice that the address names; else the one with most epochs. */
function best(known, choices, parameters) {
  const stored = chosen(known, parameters).measure?.stored_dataset ?? parameters.get("dataset");
  const asked = choices.filter((one) =>
    ["recipe", "images", "schedule"].every((name) => !parameters.has(name) || parameters.get(name) === String(one.training[name])) &&
    (!parameters.has("measure") || parameters.get("measure") === one.measure.measure),
  );
  const here_ = asked.filter((one) => !parameters.has("dataset") || [one.dataset, one.measure.stored_dataset].includes(stored));
  const [first] = (here_.length ? here_ : asked.length ? asked : choices).toSorted((a, b) => b.epochs.length - a.epochs.length);
  return first ?? null;
}

function picker(choices, choice) {
  const name = (one) => choiceParameters(one).toString();
  const options = choices.map((one) => [
    name(one),
    `${one.dataset}: ${one.training.recipe}, ${one.training.schedule} epochs, ${measureName(one.measure.measure)}`,
  ]);
  const pick = (event) => change(new URLSearchParams(event.target.value));
  return labelled("Training", select(options, name(choice), { on: { change: pick } }));
}

async function standing(cell, choice) {
  const epochs = EPOCHS.filter((epoch) => choice.epochs.includes(epoch));
  if (!epochs.includes(choice.last)) epochs.push(choice.last);
  const metrics = epochs.map((epoch) => metricAt(choice, epoch));
  const whole = choice.epochs[0] === 1 && choice.epochs.length === choice.last;
  const speed = whole && choice.measure.measure === "valid_accuracy" ? [`aulc@${choice.early}of${choice.training.schedule}`, `half_life_of${choice.training.schedule}`] : [];
  const call = [["cell", cell.id], ...[...metrics, ...speed].map((name) => ["metric", name]), ...context({ ...choice, seed: "mean" })];
  let answer;
  try {
    answer = await get("/ranks", call);
  } catch (problem) {
    return h("p", { class: "error" }, problem.message);
  }
  const { ranks } = answer.items[0];
  const rows = [...metrics, ...speed].map((name) => {
    const rank = ranks[name];
    const percent = metrics.includes(name) || name.startsWith("aulc");
    const value = rank.value === null ? rank.reason : percent ? `${fixed(rank.value)} %` : `${number(rank.value)} epochs`;
    return [
      h("th", { scope: "row" }, named(name, choice)),
      h("td", { class: "number" }, value),
      rank.rank === null ? "–" : `${rank.rank.toLocaleString("en-US")} of ${rank.of.toLocaleString("en-US")}`,
    ];
  });
  return h(
    "div",
    {},
    table(`Accuracy of ${cell.name ?? cell.id} by epoch, with its rank`, ["accuracy", "value", "rank"], rows),
    h("p", { class: "of-what" }, ofWhat(answer.context, metrics.at(-1)), `. Ranks are among ${ranks[metrics.at(-1)].among ?? "no cells"}; 1 is the best.`),
    h("p", { class: "links" }, callLink("/ranks", call)),
  );
}

function named(name, choice) {
  if (name.startsWith("aulc")) return `mean accuracy over the first ${choice.early} epochs (aulc)`;
  if (name.startsWith("half_life")) return "half of the final accuracy reached after";
  return metricName(name);
}

function describe(cell) {
  const edges = cell.edges.map((edge) => `${edge.source} to ${edge.target} ${edge.operation}${edge.live ? "" : ", dead"}`);
  return `Diagram of ${cell.name ?? cell.id}: ${edges.join("; ")}`;
}

function runs(cell) {
  if (!cell.runs.length) return null;
  const rows = cell.runs.map((run) => [
    run.dataset,
    `${run.recipe}, ${run.schedule} epochs${run.images === "original" ? "" : `, ${run.images} images`}`,
    run.seed === null ? `replicate ${run.replicate}` : String(run.seed),
    run.source,
    run.recorded
      .filter((entry) => entry.measure === "accuracy")
      .map((entry) => `${fixed(entry.last_value)} % on ${setName(entry.set)} after epoch ${entry.last_epoch}`)
      .join("; "),
    `${duration(run.train_time_s)}${run.time_source === "derived" ? " (derived)" : ""}`,
    h("a", { href: `/runs/${encodeURIComponent(run.id)}`, "data-file": true }, "JSON"),
  ]);
  return h(
    "section",
    { class: "card", "aria-labelledby": "runs" },
    h("h2", { id: "runs" }, `Trainings: ${many(cell.runs.length, "run")}`),
    table("Single trainings of this cell", ["data set", "recipe", "seed", "source", "accuracy", "time", "file"], rows),
    h("p", { class: "links" }, callLink("/runs", [["cell", cell.id]])),
  );
}

