// The five published cells: are they among the widest and shallowest of their space?

import { get } from "./api.js";
import { fill, h, number, retry, table } from "./dom.js";
import { callLink, figure } from "./figure.js";
import { diagram } from "./diagram.js";
import { namedOthers } from "./named_others.js";
import { link } from "./route.js";
import { chosen, context, registry } from "./recorded.js";
import { ADAPTED, ADAPTED_BUT } from "./say.js";

const NAMES = ["NASNet-A", "AmoebaNet-A", "ENAS", "DARTS-V2", "SNAS-mild"];
const SOURCES = {
  "NASNet-A": "Zoph et al. 2018",
  "AmoebaNet-A": "Real et al. 2019",
  ENAS: "Pham et al. 2018",
  "DARTS-V2": "Liu et al. 2019, second order",
  "SNAS-mild": "Xie et al. 2019, mild constraint",
};

const NO_CURVES =
  "None of them has a learning curve in what is loaded: open one below and train it.";

/** The view of the named cells and their adapted forms. */
export function namedCells() {
  const ranks = figure("/plots/ranks", {
    name: "Ranks of width and depth",
    level: 2,
    data: (given) => ["/ranks", given],
  });
  const curves = figure("/plots/curves", {
    name: "Accuracy by epoch",
    level: 2,
    wide: true,
    data: (given) => ["/curves", given],
  });
  const board = h("div", { "aria-busy": "true" }, h("p", { class: "empty" }, "Loading …"));
  const cards = h("div", { class: "cards" });
  const learning = h("div", { class: "card" }, curves.element);
  const element = h(
    "div",
    { class: "main" },
    h("h1", {}, "Named cells"),
    h(
      "p",
      { class: "lead" },
      "The cells that popular algorithms found. The claim: they are among the widest and shallowest of their space, and were found because such cells learn fast early. It was made from these five, so that they don't test it. Ranks are among all wirings of as many nodes with two distinct sources each; NASNet-A, AmoebaNet-A and ENAS read one source twice and are none of these.",
    ),
    board,
    h("div", { class: "card" }, ranks.element),
    learning,
    cards,
    namedOthers(),
  );

  async function update() {
    const call = NAMES.map((name) => ["cell", name]);
    ranks.update(call);
    if (!cards.querySelector("img")) fill(cards, NAMES.map(card));
    try {
      const { items } = await get("/ranks", call);
      fill(board, standing(items), h("p", { class: "links" }, callLink("/ranks", call)));
      const parameters = curvesOf(await registry(), await Promise.all(NAMES.map(cellOf)));
      if (parameters) await curves.update(parameters);
      else fill(learning, h("p", { class: "empty" }, NO_CURVES));
    } catch (problem) {
      fill(board, h("p", { class: "error" }, problem.message), retry(update));
    }
    board.setAttribute("aria-busy", "false");
  }

  return { element, update, title: "Named cells", end: () => (ranks.end(), curves.end()) };
}

function cellOf(name) {
  return get(`/cells/${name}`);
}

/** The parameters of their curves in the training that most of them have; null where none has any. */
function curvesOf(known, cells) {
  const found = new Map();
  for (const { name, runs } of cells) {
    for (const { dataset, recipe, images, split, schedule, recorded } of runs) {
      if (!recorded.some((entry) => entry.epochs > 1)) continue;
      const key = new URLSearchParams({ dataset, recipe, images, split, schedule }).toString();
      found.set(key, (found.get(key) ?? new Set()).add(name));
    }
  }
  const [best] = [...found].sort(([, a], [, b]) => b.size - a.size);
  const choice = best && chosen(known, new URLSearchParams(best[0]));
  if (!choice?.measure) return null;
  return [
    ...NAMES.filter((name) => best[1].has(name)).map((name) => ["cell", name]),
    ["metric", choice.measure.measure],
    ["schedule", String(choice.training.schedule)],
    ...context(choice),
  ];
}

function standing(items) {
  const rows = items.map((item) => [
    h("th", { scope: "row" }, h("a", { href: link("cell", item.name) }, item.name)),
    SOURCES[item.name],
    ...["width", "depth"].flatMap((name) => {
      const rank = item.ranks[name];
      return [
        h("td", { class: "number" }, number(rank.value)),
        h(
          "td",
          {},
          `rank ${number(rank.rank)} of ${number(rank.of)}; value ${rank.position} of ${rank.positions}`,
        ),
      ];
    }),
  ]);
  return table(
    "Width and depth of the named cells, and where these rank",
    ["cell", "found by", "width", "among the widest", "depth", "among the shallowest"],
    rows,
  );
}

function card(name) {
  const form = `${name}-adapted`;
  const but = ADAPTED_BUT[form] ? ` (${ADAPTED_BUT[form]})` : "";
  return h(
    "section",
    { class: "card", "aria-label": name },
    h("h2", {}, h("a", { href: link("cell", name) }, name)),
    diagram(name),
    h(
      "p",
      {},
      h("a", { href: link("cell", form) }, form),
      `: the same operations; ${ADAPTED}${but}. Nodes that nothing reads go dead.`,
    ),
  );
}
