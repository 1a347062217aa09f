// Look again and again as long as the page is seen.

/** Calls `look` now and every `pause_ms`; `now()` at once, `rest()` until then, `end()` for good. */
export function live(look, pause_ms) {
  let timer = 0;
  let ended = false;
  let resting = false;
  let looking = false;

  async function turn() {
    clearTimeout(timer);
    if (ended || looking) return;
    looking = true;
    try {
      if (!document.hidden) await look();
    } finally {
      looking = false;
      if (!ended && !resting) timer = setTimeout(turn, pause_ms);
    }
  }

  const seen = () => !document.hidden && !resting && turn();
  document.addEventListener("visibilitychange", seen);
  return {
    now: () => ((resting = false), turn()),
    rest: () => (resting = true),
    end: () => {
      ended = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    },
  };
}
