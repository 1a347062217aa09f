// The frame of the page: which view an address has, and what all views share.

import { keepToken, openWithToken, token } from "./api.js";
import { cellView } from "./cell.js";
import { fill, h } from "./dom.js";
import { explore } from "./explore.js";
import { jobView } from "./job.js";
import { jobsView } from "./jobs.js";
import { namedCells } from "./named.js";
import { here, link } from "./route.js";
import { sourcesView } from "./sources.js";
import { studiesView, studyView } from "./studies.js";
import { follow, toggle } from "./theme.js";

const VIEWS = {
  explore: () => explore(),
  cell: (of) => cellView(of),
  named: () => namedCells(),
  jobs: (of) => (of === null ? jobsView() : jobView(of)),
  studies: (of) => (of === null ? studiesView() : studyView(of)),
  sources: () => sourcesView(),
};

const place = document.getElementById("view");
const dialog = document.getElementById("token");
let shown = null;

function show() {
  const { view, of, parameters } = here();
  const key = `${view} ${of}`;
  if (shown?.key !== key) {
    shown?.end();
    shown = Object.hasOwn(VIEWS, view) ? VIEWS[view](of) : nowhere(view);
    shown.key = key;
    fill(place, shown.element);
    document.title = `${shown.title} – Cellwise`;
    window.scrollTo(0, 0);
  }
  for (const entry of document.querySelectorAll("nav a[data-view]")) {
    if (entry.dataset.view === view) entry.setAttribute("aria-current", "page");
    else entry.removeAttribute("aria-current");
  }
  shown.update(parameters).catch?.((problem) => say(problem.message));
}

function nowhere(view) {
  const element = h(
    "div",
    { class: "main" },
    h("h1", {}, "Nothing is here"),
    h(
      "p",
      {},
      `The page has no view “${view}”. `,
      h("a", { href: link("explore") }, "Explore the cells"),
    ),
  );
  return { element, update: async () => null, title: "Nothing is here", end: () => null };
}

function say(message) {
  fill(document.getElementById("said"), message);
}

function findCell(event) {
  event.preventDefault();
  const wanted = new FormData(event.target).get("cell").trim();
  if (wanted) location.hash = link("cell", wanted);
  event.target.reset();
}

function askToken(problem) {
  fill(
    document.getElementById("why"),
    problem?.message ??
      "A token lets you train cells and cancel jobs, and read a closed server. It stays in this browser.",
  );
  dialog.querySelector("input").value = token() ?? "";
  if (!dialog.open) dialog.showModal();
}

follow();
document.getElementById("theme").addEventListener("click", toggle);
document.getElementById("find").addEventListener("submit", findCell);
document.getElementById("token-button").addEventListener("click", () => askToken(null));
document.addEventListener("token-needed", (event) => askToken(event.detail));
document.addEventListener("say", (event) => say(event.detail));
document.addEventListener("click", openWithToken);
dialog.addEventListener("close", () => {
  if (dialog.returnValue !== "keep") return;
  keepToken(dialog.querySelector("input").value.trim());
  shown?.end();
  shown = null;
  show();
});
window.addEventListener("hashchange", show);
show();
