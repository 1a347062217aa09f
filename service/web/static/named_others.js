// The cells with a name beside the five: those that searches found elsewhere, and variants of the five.

import { get } from "./api.js";
import { fill, h, number, retry, table } from "./dom.js";
import { callLink } from "./figure.js";
import { link } from "./route.js";

const ELSEWHERE =
  "None of them is one of the five. DARTS-V1 and SNAS-moderate are from the publications of two of the five, so that they are in no verdict on the claim. Each is as in the authors' own code.";
const VARIANTS =
  "The forms of the five that the paper trained: other connections (conn) or other operations (ops), ten of each, as its code draws them with seeds 1 to 10.";

/** The sections; what is in one is asked for when it is opened. */
export function namedOthers() {
  return h(
    "section",
    { class: "card", "aria-labelledby": "others" },
    h("h2", { id: "others" }, "Other cells with a name"),
    folded("Found by searches, beside the five", ["elsewhere"], elsewhere),
    folded(
      "The paper's variants of the five",
      ["random-connections", "random-operations"],
      variants,
    ),
  );
}

function folded(title, kinds, show) {
  const body = h("div", {}, h("p", { class: "empty" }, "Loading …"));
  const call = [
    ...kinds.map((kind) => ["named", kind]),
    ["fields", "name,width,depth"],
    ["sort", "name"],
    ["limit", "1000"],
  ];
  let asked = false;
  async function read() {
    if (asked) return;
    asked = true;
    body.setAttribute("aria-busy", "true");
    try {
      const { items } = await get("/cells", call);
      fill(body, await show(items), h("p", { class: "links" }, callLink("/cells", call)));
    } catch (problem) {
      asked = false;
      fill(body, h("p", { class: "error" }, problem.message), retry(read));
    }
    body.setAttribute("aria-busy", "false");
  }
  const open = (event) => event.target.open && read();
  return h("details", { on: { toggle: open } }, h("summary", {}, title), body);
}

async function elsewhere(items) {
  const found = await Promise.all(items.map(({ name }) => get(`/cells/${name}`)));
  const rows = items.map((item, place) => [
    h("th", { scope: "row" }, cellLink(item.name)),
    found[place].known.source,
    h("td", { class: "number" }, number(item.width)),
    h("td", { class: "number" }, number(item.depth)),
  ]);
  return [
    h("p", { class: "of-what" }, ELSEWHERE),
    table(
      "Cells found by searches, beside the five",
      ["cell", "published in", "width", "depth"],
      rows,
    ),
  ];
}

/** A line for all variants of a cell of one kind: "DARTS-V2-conn". */
function variants(items) {
  const kinds = Map.groupBy(items, ({ name }) => name.replace(/\d+$/, ""));
  const rows = [...kinds].map(([kind, all]) => [
    h("th", { scope: "row" }, `${kind}1 to ${all.length}`),
    all
      .map(({ name }) => [name.slice(kind.length), name])
      .sort(([one], [other]) => one - other)
      .map(([place, name]) => [cellLink(name, place), " "]),
    range(all.map(({ width }) => width)),
    range(all.map(({ depth }) => depth)),
  ]);
  return [
    h("p", { class: "of-what" }, VARIANTS),
    table("Variants of the five", ["cells", "seed", "width", "depth"], rows),
  ];
}

function cellLink(name, text = name) {
  return h("a", { href: link("cell", name), "aria-label": text === name ? null : name }, text);
}

function range(values) {
  const ends = new Set([Math.min(...values), Math.max(...values)]);
  return h("td", { class: "number" }, [...ends].map((value) => number(value)).join("–"));
}
