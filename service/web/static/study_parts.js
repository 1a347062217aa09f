// What the list of studies and the page of one have in common.

import { count } from "./dom.js";
import { bar } from "./job_parts.js";
import { ADAPTED } from "./say.js";

/** How often studies that aren't ended are looked at. */
export const LOOK_MS = 3000;

/** What each kind of study asks. */
export const ABOUT = {
  landscape: "The loss around trained weights",
  "gradient-variance": "How much gradients differ between batches",
  smoothness: "The largest eigenvalues of the loss, by block",
  variants: "Cells against randomly wired variants of them",
  "lr-robustness": "Cells trained at several learning rates",
  generalisation: `Cells against their adapted forms: ${ADAPTED}`,
};

/** Its cells by name, as far as they have one; `most` of them, by default all. */
export function cells(study, most = Infinity) {
  const asked = study.settings.cells;
  const names = asked.filter((cell) => cell.length < 30).slice(0, most);
  const left = asked.length - names.length;
  if (left === 0) return names.join(", ");
  return names.length ? `${names.join(", ")} and ${count(left)} more` : `${count(left)} genotypes`;
}

/** The data sets it is on. */
export function datasets(study) {
  return (study.settings.datasets ?? [study.settings.dataset]).join(", ");
}

/** How many of its parts have ended. */
export function progress(study) {
  const { ended, parts } = study.progress;
  return bar(ended, parts, "ended", `Study ${study.id}`);
}
