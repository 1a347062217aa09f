// What is recorded: which data sets, trainings, measures and epochs there are to choose from.

import { get } from "./api.js";
import { many } from "./dom.js";
import { imagesName } from "./say.js";

/** What the views compare, the one to begin with first. */
const ACCURACIES = ["valid_accuracy", "test_accuracy", "valtest_accuracy"];

let asked = null;

/** The answer of GET /columns, asked for once until `forget()`. */
export function registry() {
  if (asked === null) {
    const one = get("/columns");
    asked = one;
    one.catch(() => {
      if (asked === one) asked = null;
    });
  }
  return asked;
}

/** Ask anew from now on: what trainings and imports have brought is there to choose from. */
export function forget() {
  asked = null;
}

/** The data sets for which accuracies are recorded, those with most cells first. */
export function datasets(registry) {
  const cells = new Map();
  for (const entry of accuracies(registry)) {
    cells.set(entry.dataset, Math.max(cells.get(entry.dataset) ?? 0, entry.cells));
  }
  return [...cells.keys()].sort((a, b) => cells.get(b) - cells.get(a));
}

/** Trainings with accuracies on a data set: recipe, images, split, schedule; most cells first. */
export function trainings(registry, dataset) {
  const found = new Map();
  for (const entry of accuracies(registry)) {
    if (entry.dataset !== dataset) continue;
    const key = `${entry.recipe} ${entry.images} ${entry.split} ${entry.schedule}`;
    const known = found.get(key) ?? {
      key,
      ...pick(entry, "dataset", "recipe", "images", "split", "schedule"),
      cells: 0,
      measures: [],
    };
    known.measures.push({
      ...pick(entry, "measure", "set", "seeds", "sources", "cells", "stored_dataset"),
      epochs: epochsOf(entry.epochs),
    });
    known.cells = Math.max(known.cells, entry.cells);
    found.set(key, known);
  }
  for (const training of found.values()) {
    training.measures.sort((a, b) => ACCURACIES.indexOf(a.measure) - ACCURACIES.indexOf(b.measure));
  }
  return [...found.values()].sort((a, b) => b.cells - a.cells || b.schedule - a.schedule);
}

function accuracies(registry) {
  return registry.recorded.filter((entry) => ACCURACIES.includes(entry.measure));
}

function pick(object, ...names) {
  return Object.fromEntries(names.map((name) => [name, object[name]]));
}

/** "1..12, 200" as a list of epochs. */
export function epochsOf(text) {
  return text.split(",").flatMap((part) => {
    const [first, last = first] = part.trim().split("..").map(Number);
    return Array.from({ length: last - first + 1 }, (_, place) => first + place);
  });
}

/** "proxy, 12 epochs, jpeg images, seeded split (434 cells)". */
export function trainingName(training) {
  const { recipe, schedule, cells } = training;
  return `${recipe}, ${schedule} epochs${imagesName(training)} (${many(cells, "cell")})`;
}

/**
 * What a view's parameters choose: the data set, the training, the measure, its early and last
 * epoch; where they say nothing, cifar10 and what most cells have.
 */
export function chosen(registry, parameters) {
  const all = datasets(registry);
  const wanted = parameters.get("dataset");
  const dataset =
    all.find((name) => name.toLowerCase() === wanted?.toLowerCase()) ?? wanted ?? firstOf(all);
  const there = trainings(registry, dataset);
  // The benchmark's recipes are of its own space.
  const first = parameters.get("space") === "darts" && !parameters.has("recipe");
  const training =
    there.find(
      (one) =>
        !(first && isBenchmark(one)) &&
        (parameters.get("recipe") ?? one.recipe) === one.recipe &&
        (parameters.get("images") ?? one.images) === one.images &&
        (parameters.get("split") ?? one.split) === one.split &&
        Number(parameters.get("schedule") ?? one.schedule) === one.schedule,
    ) ?? null;
  const measure =
    training?.measures.find((one) => one.measure === (parameters.get("measure") ?? one.measure)) ??
    null;
  const epochs = measure?.epochs ?? [];
  const last = epochs.at(-1) ?? null;
  const early =
    epochs.length < 2
      ? null
      : Number(parameters.get("early") ?? nearest(epochs.slice(0, -1), EARLY));
  return {
    dataset,
    training,
    trainings: there,
    measure,
    epochs,
    last,
    early,
    seed: parameters.get("seed") ?? "mean",
    pooled: parameters.get("pooled") === "true",
  };
}

/** The epoch that stands for early convergence unless another is chosen. */
const EARLY = 8;

function firstOf(names) {
  return names.find((name) => name === "cifar10") ?? names[0] ?? null;
}

function nearest(values, wanted) {
  return values.reduce((best, value) =>
    Math.abs(value - wanted) < Math.abs(best - wanted) ? value : best,
  );
}

/** The metric at an epoch, as the API names it. */
export function metricAt(choice, epoch) {
  return `${choice.measure.measure}@${epoch}of${choice.training.schedule}`;
}

function isBenchmark({ recipe }) {
  return recipe.startsWith("nb201-");
}

/** The context of metrics as parameters of a call. */
export function context(choice) {
  const given = [["dataset", choice.dataset]];
  if (choice.training) given.push(["recipe", choice.training.recipe]);
  if (choice.training && choice.training.images !== "original")
    given.push(["images", choice.training.images]);
  // Of the benchmark's own recipes the official split is meant anyway.
  if (choice.training && !(choice.training.split === "official" && isBenchmark(choice.training)))
    given.push(["split", choice.training.split]);
  if (choice.seed !== "mean") given.push(["seed", choice.seed]);
  if (choice.pooled) given.push(["pooled", "true"]);
  return given;
}
