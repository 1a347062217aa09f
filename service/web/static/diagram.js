// A cell's diagram, asked for as its text so that a closed server gives it too.

import { text } from "./api.js";
import { fill, h } from "./dom.js";

/** The drawing of a cell (id, string or name), on paper in either theme. */
export function diagram(cell, spoken = `Diagram of ${cell}`) {
  const place = h("div", { class: "diagram paper", role: "img", "aria-label": spoken });
  text(`/cells/${encodeURIComponent(cell)}/diagram.svg`).then(
    (svg) => {
      const address = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
      fill(
        place,
        h("img", { src: address, alt: "", on: { load: () => URL.revokeObjectURL(address) } }),
      );
    },
    (problem) => fill(place, h("p", { class: "error" }, problem.message)),
  );
  return place;
}
