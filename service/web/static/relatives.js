// Cells that are the same but for something: members of its classes, and variants made of it.

import { get } from "./api.js";
import { fill, h, many, number, table } from "./dom.js";
import { callLink } from "./figure.js";
import { latest } from "./latest.js";
import { link } from "./route.js";
import { ADAPTED, ADAPTED_BUT } from "./say.js";

const KINDS = {
  "random-connections": "other connections, same operations",
  "random-operations": "other operations, same connections",
  adapted: ADAPTED,
};
const MOST_SHOWN = 12;
const COUNT = 10;

/** The section of a cell's page. */
export function relatives(cell, known) {
  const made = h("div", { "aria-live": "polite" });
  const runs = latest();
  const kinds = Object.entries(KINDS).filter(
    ([kind]) => kind !== "adapted" || cell.space === "darts",
  );
  return h(
    "section",
    { class: "card", "aria-labelledby": "relatives" },
    h("h2", { id: "relatives" }, "Relatives"),
    sameness(cell, known),
    h(
      "p",
      {},
      "Variants: ",
      kinds.map(([kind, text]) =>
        h(
          "button",
          { type: "button", on: { click: () => variants(cell, kind, made, runs.begin()) } },
          text,
        ),
      ),
    ),
    made,
  );
}

function sameness(cell, known) {
  const classes = known.sameness.filter(({ name }) => cell.sameness[name]?.size > 1);
  if (!classes.length)
    return h("p", {}, "No other cell of the space computes the same by any notion of sameness.");
  return h(
    "dl",
    { class: "same" },
    classes.map(({ name, meaning }) => {
      const { others, size } = cell.sameness[name];
      const more = size - 1 - MOST_SHOWN;
      return [
        h("dt", {}, `${many(size - 1, "other cell")}: ${meaning}`),
        h(
          "dd",
          {},
          others.slice(0, MOST_SHOWN).map((id) => [h("a", { href: link("cell", id) }, id), " "]),
          more > 0 ? `and ${more.toLocaleString("en-US")} more` : null,
        ),
      ];
    }),
  );
}

async function variants(cell, kind, place, signal) {
  fill(place, h("p", { class: "empty" }, "Making variants …"));
  const call = [
    ["cell", cell.runs.length ? cell.id : cell.arch],
    ["kind", kind],
    ...(kind === "adapted" ? [] : [["count", String(COUNT)]]),
  ];
  try {
    const answer = await get("/variants", call, signal);
    if (signal.aborted) return;
    const rows = answer.items.map((one) => [
      h(
        "th",
        { scope: "row" },
        h(
          "a",
          { href: link("cell", one.space === "nasbench201" ? one.id : one.arch) },
          one.name ?? one.id,
        ),
        ADAPTED_BUT[one.name] && h("small", { class: "below" }, ADAPTED_BUT[one.name]),
      ),
      h("td", { class: "number" }, number(one.width)),
      h("td", { class: "number" }, number(one.depth)),
    ]);
    fill(
      place,
      h(
        "p",
        {},
        `${KINDS[kind]}: ${many(answer.items.length, "variant")}${answer.total === null || answer.total === undefined ? "" : ` of ${answer.total.toLocaleString("en-US")}`}; none is trained by being shown.`,
      ),
      table(`Variants: ${KINDS[kind]}`, ["cell", "width", "depth"], rows),
      h("p", { class: "links" }, callLink("/variants", call)),
    );
  } catch (problem) {
    if (!signal.aborted) fill(place, h("p", { class: "error" }, problem.message));
  }
}
