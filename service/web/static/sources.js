// What is loaded: where every number comes from.

import { get } from "./api.js";
import { count, fill, h, table } from "./dom.js";
import { callLink } from "./figure.js";

/** The sources with their origin, licence and notes. */
export function sourcesView() {
  const list = h(
    "div",
    { class: "card", "aria-busy": "true" },
    h("p", { class: "empty" }, "Loading the sources …"),
  );
  const element = h("div", { class: "main" }, h("h1", {}, "What is loaded"), list);

  async function update() {
    try {
      const { items } = await get("/sources");
      fill(
        list,
        items.length
          ? rows(items)
          : h("p", { class: "empty" }, "Nothing is loaded: cellwise import PATH."),
        callLink("/sources", []),
      );
    } catch (problem) {
      fill(list, h("p", { class: "error" }, problem.message));
    }
    list.setAttribute("aria-busy", "false");
  }

  return { element, update, title: "Sources", end: () => null };
}

function rows(items) {
  return table(
    "Sources",
    ["source", "what", "cells", "runs", "origin", "licence", "notes"],
    items.map((source) => [
      h("th", { scope: "row" }, source.name),
      source.title,
      h("td", { class: "number" }, count(source.cells)),
      h("td", { class: "number" }, count(source.runs)),
      source.origin,
      source.licence ?? "–",
      h(
        "ul",
        {},
        source.notes.map((note) => h("li", {}, note)),
      ),
    ]),
  );
}
