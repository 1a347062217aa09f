// Calls to the API that serves this page. Parameters are lists of [name, value], as in an address.

const TOKEN = "cellwise-token";

/** What the API refused, in its own words (RFC 9457); `status` 0: no answer at all. */
class Problem extends Error {
  /** `read`: whether it was a read that was refused. */
  constructor(status, message, read = true) {
    super(message);
    this.status = status;
    this.read = read;
  }
}

/** The token of this browser, or null. */
export function token() {
  return localStorage.getItem(TOKEN);
}

/** Keep a token in this browser; forget it where it is empty. */
export function keepToken(text) {
  if (text) localStorage.setItem(TOKEN, text);
  else localStorage.removeItem(TOKEN);
}

/** `path?name=value`, relative to the server. */
export function address(path, parameters = []) {
  const query = new URLSearchParams(
    parameters.filter(([, value]) => value !== null && value !== ""),
  ).toString();
  // Readable, as the documentation writes it: these are safe in a query.
  const shown = query.replace(/%(40|3A|2C|2F)/g, decodeURIComponent);
  return shown ? `${path}${path.includes("?") ? "&" : "?"}${shown}` : path;
}

/** The JSON answer. */
export async function get(path, parameters = [], signal = undefined) {
  return (await send("GET", address(path, parameters), undefined, signal)).json();
}

/** The answer as text: a diagram, a log. */
export async function text(path, parameters = [], signal = undefined) {
  return (await send("GET", address(path, parameters), undefined, signal)).text();
}

/** The JSON answer to a call that writes. */
export async function write(method, path, body = undefined) {
  return (await send(method, path, body)).json();
}

async function send(method, path, body, signal) {
  const headers = {};
  if (token()) headers.Authorization = `Bearer ${token()}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers,
      signal,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "The server doesn't answer: has it been stopped, or is the network gone?");
  }
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  const said = problem.detail || problem.title || `The server answers ${answer.status}.`;
  const refused = new Problem(answer.status, said, method === "GET");
  if (answer.status === 401)
    document.dispatchEvent(new CustomEvent("token-needed", { detail: refused }));
  throw refused;
}

/** Make a link to a file work on a closed server too, where an address alone isn't let in. */
export function openWithToken(event) {
  const link = event.target.closest("a[data-file]");
  if (!link || !token() || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  send("GET", link.getAttribute("href"))
    .then(async (answer) => {
      const file = URL.createObjectURL(await answer.blob());
      const name = /filename="?([^";]+)/.exec(answer.headers.get("Content-Disposition") || "")?.[1];
      const opened = document.createElement("a");
      opened.href = file;
      if (name || link.hasAttribute("download")) {
        opened.download = name ?? new URL(link.href).pathname.split("/").pop();
      } else {
        opened.target = "_blank";
      }
      opened.click();
      setTimeout(() => URL.revokeObjectURL(file), 60_000);
    })
    .catch((problem) =>
      document.dispatchEvent(new CustomEvent("say", { detail: problem.message })),
    );
}
