// What numbers are of, in words: no number stands on the page without its set, schedule and seeds.

import { count, fixed, many, signed } from "./dom.js";

const SETS = {
  train: "training images",
  "x-valid": "validation images (x-valid)",
  "x-test": "test images (x-test)",
  "ori-test": "test images (ori-test)",
};

const MEASURES = {
  valid_accuracy: "validation accuracy",
  test_accuracy: "test accuracy",
  train_accuracy: "training accuracy",
  valtest_accuracy: "accuracy on validation and test images",
};

/** Coefficients of correlation, as the API calls them, by name. */
export const METHODS = {
  spearman: "Spearman's ρ",
  kendall: "Kendall's τ-b",
  pearson: "Pearson's r",
};

/** What cells are alike in that are compared with each other, by the name that `group_by` takes. */
export const ALIKE = {
  live_ops: "of the same live operations",
  ops: "of the same operations, dead ones counted",
  n_conv3x3: "with as many 3×3 convolutions",
  depth: "of the same depth",
};

/** What an adapted form is. */
export const ADAPTED = "every node reads both inputs, by the paper's rule";

/** Which adapted forms are another than the paper's code or its rule has, and how. */
export const ADAPTED_BUT = {
  "ENAS-adapted": "but for one node, which in the paper's code reads one input twice",
  "DARTS-V2-adapted": "the paper's code has none of this cell",
};

/** Cells of a group in plain words. */
export function alike(name) {
  return ALIKE[name] ?? `of equal ${name}`;
}

/** A set of images in plain words. */
export function setName(set) {
  return SETS[set] ?? set;
}

/** A measure in plain words. */
export function measureName(measure) {
  return MEASURES[measure] ?? measure.replaceAll("_", " ");
}

/** "validation accuracy after epoch 8 of 12". */
export function metricName(metric) {
  const found = /^(\w+)@(\d+)of(\d+)$/.exec(metric);
  if (!found) return metric;
  return `${measureName(found[1])} after epoch ${found[2]} of ${found[3]}`;
}

/** Of which seeds numbers are; `counts`: the fewest and most that a cell has, where that is known. */
export function seedName(seed, counts) {
  if (seed !== "mean") return `seed ${seed}`;
  if (!counts) return "mean over seeds";
  const [fewest, most] = counts;
  if (most === 1) return "one seed";
  return `mean over ${fewest === most ? most : `${fewest}–${most}`} seeds`;
}

/** Which images a training is on, where they aren't the data set's own, divided as it says. */
export function imagesName({ images, split }) {
  const rendering = images === "original" ? "" : `, ${images} images`;
  return split === "official" ? rendering : `${rendering}, ${split} split`;
}

/** What a metric was read from, by the `context` of an answer. */
export function ofWhat(context, metric) {
  const set = context.sets?.[metric];
  if (!set) return `${context.dataset}`;
  const images = imagesName(set);
  return (
    `${set.dataset}, ${setName(set.set)}${images}; schedule of ${set.schedule} epochs, recipe ${set.recipe}; ` +
    `${seedName(context.seed, set.n_seeds)}; from ${origins(set.sources)}${context.pooled ? ", pooled" : ""}`
  );
}

/** The sources, where there are several with how many cells each gave. */
function origins(given) {
  const sources = Object.entries(given);
  if (sources.length < 2) return sources[0]?.[0] ?? "no source";
  return sources.map(([name, cells]) => `${name} (${many(cells, "cell")})`).join(", ");
}

/** How many cells of a correlation have a place, behind the others, and no number; by why. */
export function rankedLast(item) {
  return ["censored", "diverged"]
    .filter((what) => item[what])
    .map((what) => `${count(item[what])} ${what}`);
}

/** How reliable the y of a correlation is, and the coefficient without the noise of seeds. */
export function noise({ reliability, disattenuated }) {
  const { icc, reason } = reliability.y;
  if (icc === null) return [`reliability: ${reason}`];
  const without = disattenuated === null ? [] : [`without noise ${signed(disattenuated)}`];
  return [`reliability ${fixed(icc, 3)}`, ...without];
}

/** n and who was left out, of a correlation. */
export function who(item) {
  const left = Object.entries(item.excluded ?? {}).map(
    ([reason, cells]) => `${count(cells)} ${reason}`,
  );
  const last = rankedLast(item).join(" and ");
  const networks = item.n_distinct < item.n ? ` (${count(item.n_distinct)} networks)` : "";
  return `n = ${many(item.n, "cell")}${networks}${last && `, of them ${last}, ranked last`}${left.length ? `; left out: ${left.join(", ")}` : ""}`;
}
