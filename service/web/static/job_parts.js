// What the list of jobs and the page of one have in common.

import { write } from "./api.js";
import { duration, fill, h } from "./dom.js";
import { link } from "./route.js";

/** How often jobs that aren't ended are looked at. */
export const LOOK_MS = 1500;

/** Whether a job may still change by itself. */
export function underWay(job) {
  return ["queued", "running"].includes(job.state);
}

/** The state, with the place in the queue. */
export function state(job) {
  const place = job.position ? ` (${job.position} in the queue)` : "";
  return h("span", { class: `state ${job.state}` }, job.state + place);
}

/** A bar of epochs, then of measurements. */
export function progress(job) {
  const done = job.progress;
  if (!done) return job.state === "running" ? "starts" : "–";
  const measures = done.to_measure && (done.measured > 0 || done.epoch === done.epochs);
  const [value, max, what] = measures
    ? [done.measured, done.to_measure, "measured"]
    : [done.epoch, done.epochs, "epochs"];
  const left =
    job.state === "running" && done.seconds_left ? `, ${duration(done.seconds_left)} left` : "";
  return [bar(value, max, what, `Job ${job.id}`), h("small", {}, left)];
}

/** Cancel or Resume, whichever the state allows; `act(method, path)` is called. */
export function actions(job, act) {
  const button = (text, method, path) =>
    h(
      "button",
      {
        type: "button",
        "data-key": `${text} ${job.id}`,
        "aria-label": `${text} job ${job.id}`,
        on: { click: () => act(method, path) },
      },
      text,
    );
  if (underWay(job)) return button("Cancel", "DELETE", `/jobs/${job.id}`);
  if (["failed", "cancelled"].includes(job.state))
    return button("Resume", "POST", `/jobs/${job.id}/resume`);
  return "";
}

/** Sends what a button asks for; a refusal is told in `said`, and `then` looks again. */
export function acting(said, then) {
  return async (method, path) => {
    fill(said);
    await write(method, path).catch((problem) =>
      fill(said, h("span", { class: "error" }, problem.message)),
    );
    then();
  };
}

/** A bar with what it tells behind it. */
export function bar(value, max, what, of) {
  return [
    h("progress", { value, max, "aria-label": `${of}: ${value} of ${max} ${what}` }),
    h("small", {}, ` ${value}/${max} ${what}`),
  ];
}

/** The page of a job's cell. */
export function jobCell(job) {
  return h(
    "a",
    { href: link("cell", job.name ?? (job.cell.startsWith("darts-") ? job.arch : job.cell)) },
    job.name ?? job.cell,
  );
}
