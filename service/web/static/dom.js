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

/**
 * The same, keeping what a reader does: the focus stays on the control with the same `data-key` (a
 * box that is typed in stays as it is), and what was folded out stays so.
 */
export function refill(element, ...children) {
  const focused = element.contains(document.activeElement) ? document.activeElement : null;
  const open = [...element.querySelectorAll("details[open][data-key]")].map(keyOf);
  const fresh = document.createDocumentFragment();
  fresh.append(...present(children));
  for (const details of fresh.querySelectorAll("details[data-key]")) {
    if (open.includes(keyOf(details))) details.open = true;
  }
  const key = focused?.dataset.key;
  const again = key ? fresh.querySelector(`[data-key="${CSS.escape(key)}"]`) : null;
  const same = focused?.textContent === again?.textContent;
  if (again && same && focused.matches("input, select")) {
    around(element, focused, fresh, again);
    // What is typed may be ahead of the address; all else follows it, as after going back.
    if (!("typed" in focused.dataset)) focused.value = again.value;
  } else {
    element.replaceChildren(fresh);
    // Where the control is gone, who goes on by the keyboard goes on from here.
    if (focused && !again) element.tabIndex = -1;
    if (focused) (again ?? element).focus({ preventScroll: true });
  }
  return element;
}

/**
 * Put what stands around `again` in `fresh` around `focused` in `element`, which stays where it is: taken
 * out and put back, it would forget the caret, or the letters that choose an option together.
 */
function around(element, focused, fresh, again) {
  let [old, now] = [focused, again];
  while (old !== element && now !== fresh) {
    const siblings = [...now.parentNode.childNodes];
    const place = siblings.indexOf(now);
    for (const other of [...old.parentNode.childNodes]) if (other !== old) other.remove();
    old.before(...siblings.slice(0, place));
    old.after(...siblings.slice(place + 1));
    [old, now] = [old.parentNode, now.parentNode];
  }
}

function keyOf(element) {
  return element.dataset.key;
}

function present(children) {
  return children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false);
}

/** 15,625. */
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
  const text = value.toFixed(digits);
  return text.replace("-", Number(text) === 0 ? "" : "−");
}

/** +0.24, −0.17, 0.00. */
export function signed(value) {
  const text = fixed(value);
  return Number(text) > 0 ? `+${text}` : text;
}

/** A standard deviation behind a mean; nothing where there is none. */
export function spread(std) {
  return std === null || std === undefined ? null : h("small", {}, ` ± ${fixed(std)}`);
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
  const there = options.some(([value]) => String(value) === String(chosen ?? ""));
  const unknown = there || !chosen ? [] : [[chosen, `${chosen} (not there)`]];
  return h(
    "select",
    properties,
    [...unknown, ...options].map(([value, text]) =>
      h("option", { value, selected: String(value) === String(chosen ?? "") }, text),
    ),
  );
}

/** A button that tries something that went wrong again. */
export function retry(again) {
  return h("button", { type: "button", on: { click: again } }, "Try again");
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
