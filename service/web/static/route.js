// Where one is: `#/cell/nb201-006111?dataset=cifar100`. A link holds the whole view.

/** Parameters of which correlations are shown: no filters, but as easily overlooked. */
export const GROUPING = ["group_by", "method"];

/** The place and the parameters of this address; `of` is undefined where it can't be read. */
export function here() {
  const [path, query = ""] = location.hash.replace(/^#/, "").split("?");
  const [view = "explore", of = null] = path.split("/").filter(Boolean);
  return { view, of: of === null ? null : decoded(of), parameters: new URLSearchParams(query) };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** The address of a view. */
export function link(view, of = null, parameters = []) {
  const query = new URLSearchParams(parameters).toString();
  const path =
    view === "explore"
      ? ""
      : [view, of]
          .filter((part) => part !== null)
          .map(encodeURIComponent)
          .join("/");
  return `#/${path}${query ? `?${query}` : ""}`;
}

/** Go on with other parameters; `keep` false: the step isn't one to go back to. */
export function change(parameters, keep = true) {
  const { view, of } = here();
  const address = link(view, of, [...parameters]);
  if (address === (location.hash || "#/")) return;
  if (keep) {
    location.hash = address;
  } else {
    history.replaceState(null, "", address);
    window.dispatchEvent(new HashChangeEvent("hashchange"));
  }
}

/** This address with one parameter changed (none where it is empty), and without some others. */
export function set(name, value, keep = true, ...gone) {
  const next = without(...gone);
  if (value === "" || value === null) next.delete(name);
  else next.set(name, value);
  change(next, keep);
}

/** The parameters of this address without some. */
export function without(...names) {
  const next = new URLSearchParams(here().parameters);
  for (const name of names) next.delete(name);
  return next;
}
