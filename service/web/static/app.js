// The frame of the page: which view an address has, and what all views share.

import { keepToken, openWithToken, token } from "./api.js";
import { cellView } from "./cell.js";
import { fill, h } from "./dom.js";
import { explore } from "./explore.js";
import { jobView } from "./job.js";
import { jobsView } from "./jobs.js";
import { namedCells } from "./named.js";
import { forget } from "./recorded.js";
import { here, link } from "./route.js";
import { sourcesView } from "./sources.js";
import { studiesView } from "./studies.js";
import { studyView } from "./study.js";
import { follow, toggle } from "./theme.js";

const EXPLORE = "explore null";
const NUMBER = /^\d{1,9}$/;

/** What each address shows; null where there is no such place. */
const VIEWS = {
  explore: (of) => (of === null ? explore() : null),
  cell: (of) => (of ? cellView(of) : null),
  named: (of) => (of === null ? namedCells() : null),
  jobs: (of) => (of === null ? jobsView() : NUMBER.test(of) ? jobView(of) : null),
  studies: (of) => (of === null ? studiesView() : NUMBER.test(of) ? studyView(of) : null),
  sources: (of) => (of === null ? sourcesView() : null),
};

const place = document.getElementById("view");
const dialog = document.getElementById("token");
let shown = null;
let declined = false;
/** Explore as it was left: who comes back from a cell goes on where they were. */
let kept = null;
let left = null;

async function show() {
  const { view, of, parameters } = here();
  const key = `${view} ${of}`;
  const again = key === EXPLORE && shown?.key !== key ? kept?.view : null;
  say("");
  if (shown?.key !== key) {
    if (shown?.key === EXPLORE) kept = { view: shown, address: left, y: window.scrollY };
    else shown?.end();
    forget();
    shown = again || (Object.hasOwn(VIEWS, view) && VIEWS[view](of)) || nowhere();
    const first = document.activeElement === document.body || place.firstChild === null;
    shown.key = key;
    fill(place, shown.element);
    // Charts that were drawn, or resized, out of the page have no width.
    if (again) window.dispatchEvent(new Event("resize"));
    window.scrollTo(0, again && kept.address === location.hash ? kept.y : 0);
    if (!first) place.focus({ preventScroll: true });
  }
  for (const entry of document.querySelectorAll("nav a[data-view]")) {
    if (entry.dataset.view === view) entry.setAttribute("aria-current", "page");
    else entry.removeAttribute("aria-current");
  }
  const current = shown;
  left = location.hash;
  if (key === EXPLORE)
    document.querySelector("nav [data-view=explore]").href = location.hash || "#/";
  document.title = `${current.title} – Cellwise`;
  try {
    await current.update(parameters, Boolean(again));
  } catch (problem) {
    if (current === shown) say(problem.message);
  }
  if (current === shown) document.title = `${current.title} – Cellwise`;
}

function nowhere() {
  const back = h("a", { href: link("explore") }, "Explore the cells");
  const told = h("p", {}, `The page has no such place: ${location.hash}. `, back);
  const element = h("div", { class: "main" }, h("h1", {}, "Nothing is here"), told);
  return { element, update: () => null, title: "Nothing is here", end: () => null };
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

/** Ask for a token; where `problem` says why, not again once that was declined. */
function askToken(problem) {
  if (dialog.open || (problem?.read && declined)) return;
  const why =
    "A token lets you train cells and cancel jobs, and read a closed server. It stays in this browser.";
  fill(document.getElementById("why"), problem?.message ?? why);
  dialog.querySelector("input").value = token() ?? "";
  dialog.showModal();
}

function closed() {
  declined = dialog.returnValue !== "keep";
  if (declined) return;
  const given = dialog.querySelector("input").value.trim();
  // A header takes no others, and no token has any.
  if (/^[!-~]*$/.test(given)) {
    keepToken(given);
    show();
  } else {
    askToken({ message: "This is no token: it has characters that no token has." });
  }
}

function skip(event) {
  // The part behind # is the page's address: the link can't be followed.
  event.preventDefault();
  place.focus();
}

follow();
document.getElementById("theme").addEventListener("click", toggle);
document.getElementById("find").addEventListener("submit", findCell);
document.getElementById("token-button").addEventListener("click", () => askToken(null));
document.addEventListener("token-needed", (event) => askToken(event.detail));
document.addEventListener("say", (event) => say(event.detail));
document.addEventListener("click", openWithToken);
dialog.addEventListener("close", closed);
document.querySelector(".skip").addEventListener("click", skip);
window.addEventListener("hashchange", show);
show();
