// Of several runs of one task, only the latest counts: answers come in any order.

/**
 * `begin()` gives a signal that is aborted as soon as another run begins, or at `end()`; a run looks
 * at `signal.aborted` after each wait.
 */
export function latest() {
  let current = null;
  return {
    begin() {
      current?.abort();
      current = new AbortController();
      return current.signal;
    },
    end() {
      current?.abort();
    },
  };
}
