// Which results a view is of: data set, training, measure, early epoch and seed, as controls.

import { h, labelled, select } from "./dom.js";
import { trainingName } from "./recorded.js";
import { change, set, without } from "./route.js";
import { measureName, setName } from "./say.js";

/** What names a metric, which another measure doesn't have. */
const OF_THE_MEASURE = ["early", "x", "sort"];
/** What holds of one training alone. */
export const OF_THE_TRAINING = [...OF_THE_MEASURE, "measure", "seed", "min_metric", "max_metric"];
const TRAINING = ["recipe", "images", "split", "schedule"];

/** The controls; each changes the address and nothing else. */
export function resultControls(choice, datasets) {
  const training = choice.training;
  const measures = training?.measures ?? [];
  const pickTraining = (event) => {
    const one = choice.trainings.find((found) => found.key === event.target.value);
    const next = without(...OF_THE_TRAINING);
    for (const name of TRAINING) next.set(name, one[name]);
    change(next);
  };
  const pickDataset = (event) => {
    const next = without(...OF_THE_TRAINING, ...TRAINING);
    next.set("dataset", event.target.value);
    change(next);
  };
  const seeds = choice.measure?.seeds ?? [];
  const early = choice.epochs
    .slice(0, -1)
    .map((epoch) => [String(epoch), `${epoch} of ${training.schedule}`]);
  return [
    labelled(
      "Data set",
      select(
        datasets.map((name) => [name, name]),
        choice.dataset,
        { "data-key": "dataset", on: { change: pickDataset } },
      ),
    ),
    labelled(
      "Training",
      select(
        choice.trainings.map((one) => [one.key, trainingName(one)]),
        training?.key ?? "as in the address",
        { "data-key": "training", on: { change: pickTraining } },
      ),
    ),
    labelled(
      "Measure",
      select(
        measures.map((one) => [one.measure, `${measureName(one.measure)}: ${setName(one.set)}`]),
        choice.measure?.measure ?? "as in the address",
        {
          "data-key": "measure",
          on: { change: (event) => set("measure", event.target.value, true, ...OF_THE_MEASURE) },
        },
      ),
    ),
    early.length
      ? labelled(
          "Early epoch",
          select(early, String(choice.early), {
            "data-key": "early",
            on: { change: (event) => set("early", event.target.value, true, "x", "sort") },
          }),
        )
      : h(
          "p",
          { class: "hint" },
          choice.last === null
            ? ""
            : `This training is recorded at epoch ${choice.last} only: it has no early epochs.`,
        ),
    labelled(
      "Seed",
      select(
        [
          [
            "mean",
            seeds.length ? `mean over those recorded of ${seeds.join(", ")}` : "mean over seeds",
          ],
          ...seeds.map((seed) => [String(seed), String(seed)]),
        ],
        String(choice.seed),
        {
          "data-key": "seed",
          on: {
            change: (event) => set("seed", event.target.value === "mean" ? "" : event.target.value),
          },
        },
      ),
    ),
  ];
}
