/** EASY backfill (Lifka 1995): when enough devices are free for the head, and how many it then leaves over. */
export interface Shadow {
  at: number;
  extra: number;
}

export function easyShadow(
  wanted: number,
  freeNow: number,
  ends: readonly { devices: number; at: number }[],
): Shadow {
  let free = freeNow;
  for (const end of [...ends].sort((a, b) => a.at - b.at)) {
    free += end.devices;
    if (free >= wanted) return { at: end.at, extra: free - wanted };
  }
  return { at: Infinity, extra: 0 };
}
