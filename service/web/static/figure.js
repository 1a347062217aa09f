// A chart of the API, drawn here from its Vega-Lite specification; with its caption and its files.

import { vegaEmbed } from "./charts.js";
import { address, get } from "./api.js";
import { fill, h, retry } from "./dom.js";
import { latest } from "./latest.js";
import { theme } from "./theme.js";

/** What a panel takes beside its plot: its axis, and the space to the next. */
const BESIDE_PX = 90;

/**
 * A figure that shows `path` (as /plots/scatter); `update(parameters, version)` draws it anew where
 * either is another than before.
 *
 * Options: `name` where there is no chart, or not yet; `title` instead of the chart's own; `level` of the
 * heading;
 * `data(parameters)`: path and parameters of the one API call that the chart shows, if there is one;
 * `wide`: its width follows the page; `canvas` for thousands of points; `onView(view, specification)`
 * once it is drawn; `beside`: elements below.
 */
export function figure(path, options) {
  const undrawn = options.title ?? options.name;
  const heading = h(`h${options.level ?? 3}`, {}, undrawn);
  const chart = h("div", {
    class: "chart",
    role: "img",
    tabindex: "0",
    "aria-label": undrawn,
    "aria-busy": "false",
  });
  const caption = h("figcaption", { "aria-live": "polite" });
  const links = h("p", { class: "links" });
  const element = h("figure", {}, heading, chart, caption, links, options.beside ?? null);
  const runs = latest();
  let current = null;
  let drawn = null;
  let last = null;
  let seen = null;

  async function update(parameters, version = null) {
    const wanted = JSON.stringify([parameters, version, theme()]);
    last = [parameters, version];
    if (wanted === current) return;
    current = wanted;
    const signal = runs.begin();
    busy(true);
    showLinks(parameters);
    try {
      const asked = [...parameters, ["theme", theme()]];
      const specification = await get(`${path}.json`, asked, signal);
      if (signal.aborted) return;
      // Side by side as far as the page has room for them.
      if (specification.concat) {
        const side = Math.max(...specification.concat.map((panel) => panel.width ?? 0)) + BESIDE_PX;
        const room = Math.floor(chart.clientWidth / side);
        specification.columns = Math.max(1, Math.min(specification.columns ?? Infinity, room));
      }
      const now = JSON.stringify([specification, theme()]);
      // Asked anew, the answer is mostly the same: the chart stays, with what is brushed.
      if (!drawn || now !== seen) await draw(specification, signal);
      if (!signal.aborted) seen = now;
    } catch (problem) {
      if (!signal.aborted) refuse(problem);
    }
    if (!signal.aborted) busy(false);
  }

  function busy(is) {
    element.classList.toggle("busy", is);
    chart.setAttribute("aria-busy", String(is));
  }

  async function draw(specification, signal) {
    const told = specification.usermeta.caption;
    delete specification.title;
    specification.background = "transparent";
    if (options.wide && specification.width !== undefined) {
      specification.width = "container";
      specification.autosize = { type: "fit-x", contains: "padding" };
    }
    if (!options.title) fill(heading, told.title);
    fill(
      caption,
      told.lines.map((line) => h("p", {}, line)),
    );
    chart.setAttribute("aria-label", `${told.title}. ${told.lines.join(" ")}`);
    drawn?.finalize();
    drawn = null;
    const room = h("div", { class: "room", "aria-hidden": "true" });
    fill(chart, room);
    const made = await vegaEmbed(room, specification, {
      actions: false,
      renderer: options.canvas ? "canvas" : "svg",
      tooltip: { theme: theme() },
    });
    if (signal.aborted) {
      made.finalize();
      return;
    }
    drawn = made;
    options.onView?.(made.view, specification);
  }

  function refuse(problem) {
    drawn?.finalize();
    drawn = null;
    // Asked again by the next update: with a token, or once the server is back.
    if (problem.status !== 409 && problem.status !== 422) current = null;
    fill(heading, undrawn);
    fill(caption);
    showLinks(last[0], false);
    chart.setAttribute("aria-label", problem.message);
    fill(
      chart,
      h("p", { class: problem.status === 409 ? "empty" : "error" }, problem.message),
      problem.status === 409 || problem.status === 422
        ? null
        : retry(() => ((current = null), update(...last))),
    );
  }

  function showLinks(parameters, there = true) {
    const call = options.data?.(parameters);
    const forms = there ? ["svg", "png"] : [];
    fill(
      links,
      forms.map((form) =>
        h(
          "a",
          { href: address(`${path}.${form}`, parameters), "data-file": true, download: "" },
          form.toUpperCase(),
        ),
      ),
      there &&
        call &&
        h(
          "a",
          { href: address(call[0], [...call[1], ["format", "csv"]]), "data-file": true },
          "CSV",
        ),
      call && callLink(...call),
    );
  }

  // Out of the page a chart has no width: it is drawn when its view is shown again.
  const onTheme = () => last && element.isConnected && update(...last);
  document.addEventListener("theme-changed", onTheme);

  function end() {
    document.removeEventListener("theme-changed", onTheme);
    runs.end();
    drawn?.finalize();
  }

  return { element, update, end };
}

/** The API call behind a view: a link to its answer that reads as the call. */
export function callLink(path, parameters) {
  const call = address(path, parameters);
  const copy = h(
    "button",
    { type: "button", class: "copy", title: "Copy the call's full address", on: { click: copied } },
    "copy",
  );
  async function copied() {
    await navigator.clipboard.writeText(new URL(call, location.href).href);
    fill(copy, "copied");
    setTimeout(() => fill(copy, "copy"), 1500);
  }
  const told = h("code", {}, `GET ${call}`);
  return h(
    "span",
    { class: "call" },
    h("a", { href: call, "data-file": true, title: `GET ${call}` }, told),
    // Browsers have no clipboard for a page that came over plain HTTP from another machine.
    navigator.clipboard && copy,
  );
}
