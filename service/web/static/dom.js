// Elements and numbers: what every view of the page is made with.

/** An element: h("a", {href: "#/"}, "text", child). `on` holds listeners; null children are left out. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value))
        element.addEventListener(event, listener);
    } else if (value === true) {
      element.setAttribute(name, "");
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value);
    }
  }
  element.append(...present(children));
  return element;
}

/** Put `children` in the place of all that `element` holds. */
export function fill(element, ...children) {
  element.replaceChildren(...present(children));
  return element;
}

/** The same, keeping the focus on the control with the same `data-key`. */
export function refill(element, ...children) {
  const key = element.contains(document.activeElement)
    ? document.activeElement.dataset.key
    : undefined;
  fill(element, ...children);
  if (key) element.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
  return element;
}

function present(children) {
  return children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false);
}

/** 15,625; never a fraction. */
export function count(value) {
  return value.toLocaleString("en-US");
}

/** A number to read: `digits` after the point at most, an en dash where there is none. */
export function number(value, digits = 3) {
  if (value === null || value === undefined) return "–";
  return value.toLocaleString("en-US", { maximumFractionDigits: digits }).replace("-", "−");
}

/** A number with just `digits` after the point. */
export function fixed(value, digits = 2) {
  if (value === null || value === undefined) return "–";
  return value.toFixed(digits).replace("-", "−");
}

/** 1 cell, 2 cells. */
export function many(value, one, more = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : more}`;
}

/** 3 s, 4 min, 2 h 5 min. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A labelled control, with a line of help below where there is one. */
export function labelled(text, control, help = null) {
  return h(
    "label",
    { class: "field" },
    h("span", { class: "label" }, text),
    control,
    help && h("small", {}, help),
  );
}

/** A select of [value, text] pairs. */
export function select(options, chosen, properties = {}) {
  const control = h(
    "select",
    properties,
    options.map(([value, text]) => h("option", { value, selected: value === chosen }, text)),
  );
  return control;
}

/** A table with a caption that is read out; `head` are texts or `th` elements. */
export function table(caption, head, rows, properties = {}) {
  const heads = head.map((cell) =>
    cell instanceof Element ? cell : h("th", { scope: "col" }, cell),
  );
  return h(
    "div",
    { class: "scrolls", tabindex: "0", role: "region", "aria-label": caption },
    h(
      "table",
      properties,
      h("caption", { class: "unseen" }, caption),
      h("thead", {}, h("tr", {}, heads)),
      h(
        "tbody",
        {},
        rows.map((row) =>
          h(
            "tr",
            {},
            row.map((cell) => (isCell(cell) ? cell : h("td", {}, cell))),
          ),
        ),
      ),
    ),
  );
}

function isCell(value) {
  return value instanceof HTMLTableCellElement;
}

/** Wait for `pause_ms` of quiet before calling. */
export function quietly(callback, pause_ms) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => callback(...given), pause_ms);
  };
}
