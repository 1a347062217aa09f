// Light or dark: as the system has it, until one is chosen here.

const CHOSEN = "cellwise-theme";
const dark = matchMedia("(prefers-color-scheme: dark)");

/** The theme now: "light" or "dark". */
export function theme() {
  return localStorage.getItem(CHOSEN) ?? (dark.matches ? "dark" : "light");
}

/** Choose the other one from now on. */
export function toggle() {
  localStorage.setItem(CHOSEN, theme() === "dark" ? "light" : "dark");
  apply();
}

/** Put the theme on the page, now and whenever the system's changes; "theme-changed" tells of it. */
export function follow() {
  apply();
  dark.addEventListener("change", apply);
}

function apply() {
  document.documentElement.dataset.theme = theme();
  document.dispatchEvent(new CustomEvent("theme-changed"));
}
