// "Does width predict accuracy?" for every training that is recorded: early on, and at the end.

import { get } from "./api.js";
import { count, fill, fixed, h, many, table } from "./dom.js";
import { callLink } from "./figure.js";
import { chosen, context, metricAt, trainingName } from "./recorded.js";
import { here, link } from "./route.js";
import { measureName, setName, who } from "./say.js";

const TOPOLOGY = ["width", "depth"];
const MOST = 10;
const METHODS = { spearman: "Spearman's ρ", kendall: "Kendall's τ-b", pearson: "Pearson's r" };

/** The board; `update(registry, choice, parameters)`: those of filters and of the coefficient. */
export function board() {
  const about = h("p", { class: "hint" });
  const body = h("div", {});
  const calls = h("div", { class: "links" });
  const element = h(
    "section",
    { class: "card", "aria-labelledby": "board" },
    h("h2", { id: "board" }, "Does width or depth predict accuracy?"),
    about,
    body,
    calls,
  );
  let asking = null;

  async function update(registry, choice, given) {
    asking?.abort();
    asking = new AbortController();
    const { signal } = asking;
    element.setAttribute("aria-busy", "true");
    const method = METHODS[here().parameters.get("method") ?? "spearman"] ?? METHODS.spearman;
    fill(
      about,
      `${method} with its 95 % interval: +1, the widest (deepest) cells are the most accurate; 0, it tells nothing; −1, they are the least accurate.`,
    );
    // A bound on a metric is one on this training's: others don't have it.
    const bound = given.some(([name]) => name.endsWith("_metric"));
    const there = bound && choice.training ? [choice.training] : choice.trainings;
    const shown = there.flatMap((training) => measured(registry, choice, training)).slice(0, MOST);
    const answers = await Promise.all(shown.map((one) => ask(one, given, signal)));
    if (signal.aborted) return;
    fill(
      body,
      shown.length
        ? rows(choice, shown, answers)
        : h("p", { class: "empty" }, "No accuracy is recorded for this data set yet."),
    );
    fill(
      calls,
      answers
        .filter((answer) => answer.call)
        .slice(0, 1)
        .map((answer) => callLink("/correlations", answer.call)),
    );
    element.setAttribute("aria-busy", "false");
  }

  return { element, update };
}

/** A choice for each measure of a training, with its own early epoch where it lacks the chosen one. */
function measured(registry, choice, training) {
  return training.measures.map(({ measure }) => {
    const { recipe, images, schedule } = training;
    const wanted = new URLSearchParams({
      dataset: choice.dataset,
      recipe,
      images,
      schedule,
      measure,
    });
    const found = chosen(registry, wanted);
    const early =
      choice.early !== null && found.epochs.slice(0, -1).includes(choice.early)
        ? choice.early
        : found.early;
    return { ...found, early, parameters: wanted };
  });
}

async function ask(one, given, signal) {
  const epochs = [one.early, one.last].filter((epoch) => epoch !== null);
  const metrics = epochs.map((epoch) => metricAt(one, epoch));
  const call = [
    ...TOPOLOGY.map((x) => ["x", x]),
    ...metrics.map((y) => ["y", y]),
    ...given,
    ...context(one),
  ];
  try {
    return { call, items: (await get("/correlations", call, signal)).items };
  } catch (problem) {
    return { problem: problem.message };
  }
}

function rows(choice, shown, answers) {
  const told = shown.map((one, place) => ({ one, ...answers[place] }));
  const some = told.filter(
    (entry) => entry.problem || entry.items.some((item) => item.coefficient !== null),
  );
  const head = ["training", ...TOPOLOGY.flatMap((x) => [`${x}, early`, `${x}, at the end`])];
  const lines = some.map(({ one, items, problem }) => {
    const name = h(
      "a",
      { href: link("explore", null, [...one.parameters, ...kept()]) },
      trainingName(one.training),
    );
    const on = h(
      "small",
      { class: "below" },
      `${measureName(one.measure.measure)}, ${setName(one.measure.set)}`,
    );
    const first = h(
      "th",
      { scope: "row", "aria-current": isChosen(one, choice) ? "true" : null },
      name,
      on,
    );
    if (problem) return [first, h("td", { colspan: 2 * TOPOLOGY.length, class: "error" }, problem)];
    return [
      first,
      ...TOPOLOGY.flatMap((x) =>
        [one.early, one.last].map((epoch) => coefficient(one, items, x, epoch)),
      ),
    ];
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
  ];
}

function isChosen(one, choice) {
  return (
    one.training.key === choice.training?.key && one.measure.measure === choice.measure?.measure
  );
}

function kept() {
  const own = ["dataset", "recipe", "images", "schedule", "measure", "early", "seed", "x", "sort"];
  return [...here().parameters].filter(([name]) => !own.includes(name));
}

function coefficient(one, items, x, epoch) {
  if (epoch === null) return h("td", { class: "none" }, "no early epoch recorded");
  const found = items.find((item) => item.x === x && item.y === metricAt(one, epoch));
  if (found.coefficient === null) return h("td", { class: "none" }, found.reason);
  const sign =
    found.ci && found.ci[0] > 0 ? "more" : found.ci && found.ci[1] < 0 ? "less" : "unclear";
  return h(
    "td",
    { class: `number ${sign}`, title: who(found) },
    h("strong", {}, signed(found.coefficient)),
    found.ci && h("small", {}, ` [${signed(found.ci[0])}, ${signed(found.ci[1])}]`),
    h("small", { class: "below" }, `epoch ${epoch} of ${one.training.schedule}`),
    h("small", { class: "below" }, `n = ${count(found.n)}`),
  );
}

function signed(value) {
  return (value > 0 ? "+" : "") + fixed(value);
}
