// Train a cell: on which images, by which recipe, from which seeds.

import { get, write } from "./api.js";
import { fill, h, labelled, many, select } from "./dom.js";
import { LOOK_MS, progress, state, underWay } from "./job_parts.js";
import { live } from "./live.js";
import { link } from "./route.js";

/**
 * The section for one cell; for any cells, typed, where `cell` is null. `update()` asks what there is to
 * train on, until that has come; `ended()` is called when a job that was queued here has ended.
 */
export function training(cell = null, ended = () => null) {
  const body = h("div", {}, h("p", { class: "empty" }, "Loading …"));
  const element = h(
    "section",
    { class: "card", "aria-labelledby": "train", "aria-busy": "true" },
    h("h2", { id: "train" }, cell ? "Train this cell" : "Train cells"),
    body,
  );

  async function update() {
    if (body.querySelector("form")) return;
    element.setAttribute("aria-busy", "true");
    try {
      fill(body, form(await Promise.all([get("/datasets"), get("/recipes")]), cell, ended));
    } catch (problem) {
      fill(body, h("p", { class: "error" }, problem.message));
    }
    element.setAttribute("aria-busy", "false");
  }

  return { element, update };
}

function form(offered, cell, ended) {
  const [datasets, recipes] = offered.map((answer) => answer.items);
  const here = datasets.filter((one) => one.found);
  const absent = datasets.filter((one) => !one.found);
  const usable = recipes.filter((one) => !cell || one.spaces.includes(cell.space));
  const first = usable.find((one) => one.name === "proxy") ?? usable[0];
  const about = h("small", {});
  const tell = () => fill(about, usable.find((one) => one.name === recipe.value).about);
  const dataset = select(
    here.map((one) => [one.name, one.title]),
    "digits",
    { name: "dataset" },
  );
  const recipe = select(
    usable.map((one) => [
      one.name,
      `${one.name}: ${many(one.settings.epochs, "epoch")}, ${one.settings.precision}`,
    ]),
    first.name,
    { name: "recipe", on: { change: tell } },
  );
  const seeds = h("input", {
    name: "seeds",
    value: "777",
    required: true,
    pattern: "\\s*\\d{1,15}(\\s*,\\s*\\d{1,15})*\\s*",
    title: "whole numbers, parted by commas",
  });
  const cells = h("textarea", {
    name: "cells",
    rows: 3,
    required: true,
    placeholder: "6111\nNASNet-A\n|nor_conv_3x3~0|+|…|",
  });
  const outcome = h("div", { role: "status" });
  const button = h("button", { type: "submit", class: "chief" }, "Train");
  tell();

  async function submit(event) {
    event.preventDefault();
    button.disabled = true;
    fill(outcome);
    const names = cell
      ? [cell.runs.length ? cell.id : cell.arch]
      : cells.value
          .split("\n")
          .map((line) => line.trim())
          .filter(Boolean);
    const body = {
      cells: names,
      dataset: dataset.value,
      recipe: recipe.value,
      seeds: seeds.value.split(",").map(Number),
    };
    try {
      const { items } = await write("POST", "/jobs", body);
      fill(
        outcome,
        h(
          "ul",
          {},
          items.map((item) =>
            h("li", {}, item.status === "existing" ? known(item) : watched(item, ended)),
          ),
        ),
      );
    } catch (problem) {
      fill(outcome, h("p", { class: "error" }, problem.message));
    }
    button.disabled = false;
  }

  return [
    h(
      "form",
      { class: "train", on: { submit } },
      cell
        ? null
        : labelled(
            "Cells, one a line",
            cells,
            "ids, official indices, cell strings, genotypes or published names",
          ),
      h(
        "div",
        { class: "row" },
        labelled("Images", dataset),
        labelled("Recipe", recipe),
        labelled("Seeds", seeds),
        button,
      ),
      about,
      absent.length
        ? h(
            "details",
            {},
            h("summary", {}, `${many(absent.length, "data set")} not on the server`),
            h(
              "dl",
              { class: "absent" },
              absent.map((one) => [h("dt", {}, one.title), h("dd", {}, one.how_to_get)]),
            ),
          )
        : null,
    ),
    outcome,
  ];
}

function known(item) {
  const name = decodeURIComponent(item.run.split("/").at(-1));
  return [
    `${item.cell}, seed ${item.seed}: known already, nothing was queued: `,
    h("a", { href: link("cell", item.cell) }, name),
  ];
}

/** A job's line, which follows it. */
function watched(item, ended) {
  const number = item.job.split("/").at(-1);
  const now = h("span", {}, ` is ${item.status}`);
  const line = h(
    "span",
    {},
    `${item.cell}, seed ${item.seed}: `,
    h("a", { href: link("jobs", number) }, `job ${number}`),
    now,
  );
  const watching = live(
    async () => {
      const job = await get(item.job);
      if (!line.isConnected) return watching.end();
      fill(now, " ", state(job), " ", progress(job));
      if (underWay(job)) return null;
      watching.end();
      return ended();
    },
    (problem) => fill(now, h("span", { class: "error" }, ` ${problem.message}`)),
    LOOK_MS,
  );
  watching.now();
  return line;
}
