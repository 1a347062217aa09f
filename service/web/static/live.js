// Look again and again as long as the page is seen.

const HOPELESS = [401, 404, 422];

/**
 * Calls `look` now and every `pause_ms`, and `failed(problem)` where that throws; `now()` at once (after
 * a look that goes on), `rest()` until then, `end()` for good. Where another look can't help, as without a
 * token or of what isn't there, it rests too.
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
      if (HOPELESS.includes(problem.status)) resting = true;
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
