// A list of the API, the latest first, that is looked at again and again.

import { get } from "./api.js";
import { fill, h, refill, retry } from "./dom.js";
import { callLink } from "./figure.js";
import { live } from "./live.js";
import { change, here } from "./route.js";

const LIMIT = 25;

/**
 * The pages of `path`; `rows(page, parameters)` are the elements of one. The address has its
 * parameters, of which `known` are the API's; `update(parameters)` follows it, `now()` looks at once.
 */
export function listed(path, known, rows, pause_ms) {
  const element = h("div", { "aria-busy": "true" }, h("p", { class: "empty" }, "Loading …"));
  let wanted = [];
  let seen = null;

  const watching = live(
    async () => {
      const asked = wanted;
      const page = await get(path, asked);
      if (asked !== wanted) return;
      const now = JSON.stringify([asked, page]);
      if (now !== seen) refill(element, rows(page, asked), pages(page), callLink(path, asked));
      seen = now;
      element.setAttribute("aria-busy", "false");
    },
    (problem) => {
      seen = null;
      const told = h("p", { class: "error" }, problem.message);
      fill(element, told, problem.status === 401 && retry(() => watching.now()));
      element.setAttribute("aria-busy", "false");
    },
    pause_ms,
  );

  function update(parameters) {
    const given = [...parameters].filter(([name]) => [...known, "before"].includes(name));
    wanted = [...given, ["limit", String(LIMIT)]];
    element.setAttribute("aria-busy", "true");
    watching.now();
  }

  return { element, update, now: watching.now, end: watching.end };
}

/** Older ones, and back to the latest. */
function pages(page) {
  const before = page.next && new URL(page.next, location.href).searchParams.get("before");
  const go = (value) => {
    const next = new URLSearchParams(here().parameters);
    next.delete("before");
    if (value) next.set("before", value);
    change(next);
  };
  const button = (text, value) =>
    h("button", { type: "button", "data-key": text, on: { click: () => go(value) } }, text);
  return h(
    "p",
    { class: "pages" },
    here().parameters.has("before") && button("Latest", null),
    before && button("Older", before),
  );
}
