// How fast a cell learns and how accurate it ends, in each training that is recorded of it.

import { get } from "./api.js";
import { count, fill, fixed, h, labelled, number, refill, select, spread, table } from "./dom.js";
import { callLink, figure } from "./figure.js";
import { latest } from "./latest.js";
import { chosen, context, epochsOf, metricAt, trainings } from "./recorded.js";
import { change, link, without } from "./route.js";
import { measureName, metricName, ofWhat } from "./say.js";

/** The epochs that are told of a curve with more than so many. */
const EPOCHS = [1, 4, 8, 12, 25, 50, 100, 150];
const ANOTHER =
  "What the address asks for is not recorded of this cell: shown is what comes nearest.";
/** The parameter with other cells to compare with. */
const OTHERS = "with";

/** The section for the cell `of`; `update(registry, cell, parameters)`. */
export function learningOf(of) {
  const curves = figure("/plots/curves", {
    name: "Accuracy by epoch",
    wide: true,
    data: (given) => ["/curves", given],
  });
  const heading = h("h2", { id: "learning" }, "How fast it learns, how accurate it ends");
  const body = h("div", {});
  const runs = latest();
  const element = h("section", { class: "card", "aria-labelledby": "learning" }, heading, body);

  async function update(registry, cell, parameters) {
    const signal = runs.begin();
    const choices = recordedOf(registry, cell);
    const { choice, exact } = best(registry, choices, parameters);
    if (!choice) {
      fill(
        body,
        h(
          "p",
          { class: "empty" },
          "No table that is loaded has a result of this cell, and it wasn't trained here. Train it below: its curve grows here.",
        ),
      );
      return;
    }
    const ends = choices.find(
      (one) => one.dataset === choice.dataset && one.own.last === one.training.schedule,
    );
    const told = choice.own.last < choice.training.schedule && ends ? [choice, ends] : [choice];
    const tables = await Promise.all(told.map((one) => standing(cell, one, signal)));
    if (signal.aborted) return;
    const others = parameters.getAll(OTHERS);
    const curved = choice.own.epochs > 1;
    const shown = curved ? [curves.element, beside(others)] : noCurve(of, choices, choice);
    refill(
      body,
      picker(choices, choice, others),
      !exact && h("p", { class: "hint" }, ANOTHER),
      h("div", { class: "pair" }, h("div", {}, shown), h("div", {}, tables)),
    );
    if (!curved) return;
    // Of one cell a line a seed; lines of several are told apart as means.
    const seed = others.length ? "mean" : "all";
    const cells = [cell.id, ...others].map((one) => ["cell", one]);
    await curves.update([...cells, ...curveOf(choice), ["seed", seed]]);
  }

  return { element, update, end: () => (runs.end(), curves.end()) };
}

/** A box for other cells, whose curves are drawn beside this one's. */
function beside(others) {
  const compare = (event) => {
    const next = without(OTHERS);
    for (const one of event.target.value.split(/[\s,]+/).filter(Boolean)) next.append(OTHERS, one);
    change(next);
  };
  const box = h("input", {
    value: others.join(", "),
    placeholder: "6111, 284",
    "data-key": "beside",
    on: { change: compare },
  });
  return labelled("Compare with", box, "ids, official indices or published names, up to 11");
}

/** What is recorded of a cell by whatever source, as choices; `own`: which epochs, how many, the last. */
function recordedOf(registry, cell) {
  const found = new Map();
  for (const run of cell.runs) {
    const training = trainings(registry, run.dataset).find(
      (one) =>
        one.recipe === run.recipe &&
        one.images === run.images &&
        one.split === run.split &&
        one.schedule === run.schedule,
    );
    for (const { set, measure: kind, at } of run.recorded) {
      const measure = training?.measures.find(
        (one) => one.set === set && one.stored_dataset === run.dataset,
      );
      if (kind !== "accuracy" || !measure) continue;
      const wanted = parametersOf({ dataset: run.dataset, training, measure });
      const before = found.get(wanted.toString())?.at ?? [];
      found.set(wanted.toString(), {
        ...chosen(registry, wanted),
        at: [...before, ...epochsOf(at)],
      });
    }
  }
  return [...found.values()].map(({ at, ...choice }) => {
    const epochs = [...new Set(at)].sort((a, b) => a - b);
    return { ...choice, own: { at: epochs, epochs: epochs.length, last: epochs.at(-1) } };
  });
}

function parametersOf({ dataset, training, measure }) {
  const { recipe, images, split, schedule } = training;
  return new URLSearchParams({
    dataset,
    recipe,
    images,
    split,
    schedule,
    measure: measure.measure,
  });
}

/**
 * The choice that the address names, as far as it goes; of several, the one with most epochs. `exact`:
 * whether it is all that the address says.
 */
function best(registry, choices, parameters) {
  const asks = (name, value) => !parameters.has(name) || parameters.get(name) === String(value);
  const wanted = chosen(registry, parameters);
  const stored = wanted.measure?.stored_dataset ?? wanted.dataset;
  const dataset = (one) =>
    !parameters.has("dataset") || [one.dataset, one.measure.stored_dataset].includes(stored);
  const training = (one) =>
    ["recipe", "images", "split", "schedule"].every((name) => asks(name, one.training[name]));
  const measure = (one) => asks("measure", one.measure.measure);
  const place = ({ training, measure }) => training.measures.indexOf(measure);
  const most = choices.toSorted(
    (a, b) => b.own.epochs - a.own.epochs || b.own.last - a.own.last || place(a) - place(b),
  );
  const fits = [[dataset, training, measure], [dataset, training], [dataset], []];
  const found = fits.map((tests) => most.find((one) => tests.every((test) => test(one))));
  return { choice: found.find(Boolean) ?? null, exact: Boolean(found[0]) };
}

function picker(choices, choice, others) {
  const name = (one) => parametersOf(one).toString();
  const told = (one) =>
    `${one.dataset}: ${one.training.recipe}, ${measureName(one.measure.measure)}, ${toldEpochs(one.own, one.training.schedule)}`;
  const pick = (event) => {
    const next = new URLSearchParams(event.target.value);
    for (const one of others) next.append(OTHERS, one);
    change(next);
  };
  const options = choices.map((one) => [name(one), told(one)]);
  return labelled(
    "Training",
    select(options, name(choice), { "data-key": "training", on: { change: pick } }),
  );
}

function toldEpochs({ epochs, last }, schedule) {
  if (epochs === schedule) return `all ${schedule} epochs`;
  if (epochs === 1) return `epoch ${last} of ${schedule}`;
  return `${epochs} of ${schedule} epochs, the last is ${last}`;
}

function noCurve(of, choices, choice) {
  const other = choices.find((one) => one.own.epochs > 1);
  return h(
    "p",
    { class: "empty" },
    `Only the accuracy after epoch ${choice.own.last} is recorded of this training: its learning curve is in no loaded table. `,
    other
      ? h(
          "a",
          { href: link("cell", of, parametersOf(other)) },
          `It has a curve on ${other.dataset} (${other.training.recipe}).`,
        )
      : "Import a table that has it, or train the cell below, on images that the server has.",
  );
}

/** The parameters of a choice's curve. */
function curveOf(choice) {
  const { measure, training } = choice;
  return [
    ["metric", measure.measure],
    ["schedule", String(training.schedule)],
    ...context({ ...choice, seed: "mean" }),
  ];
}

/** A choice's accuracy by epoch as a table, with its rank; each epoch from the source that it has. */
async function standing(cell, choice, signal) {
  try {
    const names = toldMetrics(choice);
    const call = [
      ["cell", cell.id],
      ...names.map((name) => ["metric", name]),
      ...context({ ...choice, seed: "mean" }),
    ];
    const [answer, values] = await Promise.all([
      get("/ranks", call, signal),
      get("/cells", [...call, ["fields", "id"]], signal),
    ]);
    const { ranks } = answer.items[0];
    const [own] = values.items;
    const rows = names
      .filter((name) => ranks[name].value !== null)
      .map((name) => [
        h("th", { scope: "row" }, named(name, choice)),
        h(
          "td",
          { class: "number" },
          name.startsWith("half_life")
            ? `${number(ranks[name].value)} epochs`
            : [`${fixed(ranks[name].value)} %`, spread(own[`${name}:std`])],
        ),
        `${number(ranks[name].rank, 1)} of ${count(ranks[name].of)}`,
        h("td", { class: "number" }, number(own[`${name}:n_seeds`])),
      ]);
    const last = names.filter((name) => name.startsWith(choice.measure.measure)).at(-1);
    return [
      table(
        `Accuracy of ${cell.name ?? cell.id} by epoch, with its rank`,
        ["accuracy", "value", "rank", "seeds"],
        rows,
      ),
      h(
        "p",
        { class: "of-what" },
        ofWhat(answer.context, last),
        ". Ranks are among the cells of its space with a value, early on some of them only; 1 is the best. ± is the standard deviation over seeds.",
      ),
      h("p", { class: "links" }, callLink("/ranks", call)),
    ];
  } catch (problem) {
    return h("p", { class: "error" }, problem.message);
  }
}

/** At some epochs, and where every one is recorded the measures of speed. */
function toldMetrics(choice) {
  const { schedule } = choice.training;
  const there = choice.own.at;
  const few = there.length <= EPOCHS.length + 1;
  const epochs = few
    ? there
    : there.filter((epoch) => EPOCHS.includes(epoch) || epoch === there.at(-1));
  const metrics = epochs.map((epoch) => metricAt(choice, epoch));
  if (there.length < schedule || choice.measure.measure !== "valid_accuracy") return metrics;
  return [...metrics, `aulc@${choice.early}of${schedule}`, `half_life_of${schedule}`];
}

function named(name, choice) {
  if (name.startsWith("aulc")) return `mean accuracy over the first ${choice.early} epochs (aulc)`;
  if (name.startsWith("half_life")) return "half of its rise since epoch 1 reached after";
  return metricName(name);
}
