/** Ends a text before the first stop string, also when it arrives in pieces; text that may begin one waits. */
export interface StopMatcher {
  /** The text that is safe to give out. After `isStopped` nothing more comes. */
  push(text: string): { readonly text: string; readonly isStopped: boolean };
  /** What was held back, at the end. */
  flush(): string;
}

export function createStopMatcher(stops: readonly string[]): StopMatcher {
  let held = '';
  return {
    push: (text) => {
      held += text;
      const first = Math.min(...stops.map((stop) => held.indexOf(stop)).filter((at) => at !== -1));
      if (Number.isFinite(first)) {
        const safe = held.slice(0, first);
        held = '';
        return { text: safe, isStopped: true };
      }
      const keep = Math.max(0, ...stops.map((stop) => longestOverlap(held, stop)));
      const safe = held.slice(0, held.length - keep);
      held = held.slice(held.length - keep);
      return { text: safe, isStopped: false };
    },
    flush: () => {
      const rest = held;
      held = '';
      return rest;
    },
  };
}

/** Length of the longest end of `text` with which `stop` begins. */
function longestOverlap(text: string, stop: string): number {
  for (let length = Math.min(text.length, stop.length - 1); length > 0; length -= 1) {
    if (stop.startsWith(text.slice(text.length - length))) return length;
  }
  return 0;
}
