// Look again and again as long as the page is seen.

/**
 * Calls `look` now and every `pause_ms`, and `failed(problem)` where that throws; `now()` at once (after
 * a look that goes on), `rest()` until then, `end()` for good. Nobody may look again without a token.
 */
export function live(look, failed, pause_ms) {
  let timer = 0;
  let ended = false;
  let resting = false;
  let looking = false;
  let again = false;

  async function turn() {
    clearTimeout(timer);
    if (ended) return;
    again = looking;
    if (looking) return;
    looking = true;
    try {
      if (!document.hidden) await look();
    } catch (problem) {
      if (problem.status === 401) resting = true;
      if (!ended) failed(problem);
    }
    looking = false;
    if (again) turn();
    else if (!ended && !resting) timer = setTimeout(turn, pause_ms);
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
