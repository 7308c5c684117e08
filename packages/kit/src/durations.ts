/** Durations as people write them: `90s`, `5m`, `1h30m`, `500ms`, `2d`. */
const unitMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** Milliseconds, or undefined when the text is no duration. */
export function parseDuration(text: string): number | undefined {
  const trimmed = text.trim();
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d|w))+$/.test(trimmed)) return undefined;
  let total = 0;
  for (const [, amount, unit] of trimmed.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d|w)/g)) {
    total += Number(amount) * (unitMs[unit ?? ''] ?? 0);
  }
  return total;
}

/** The two largest units that matter: `850 ms`, `12.3 s`, `4 min 10 s`, `3 h 12 min`, `2 d 4 h`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1_000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 60_000) return `${(milliseconds / 1_000).toFixed(milliseconds < 10_000 ? 1 : 0)} s`;
  const steps: readonly (readonly [number, string, number, string])[] = [
    [3_600_000, 'min', 60_000, 's'],
    [86_400_000, 'h', 3_600_000, 'min'],
    [Number.POSITIVE_INFINITY, 'd', 86_400_000, 'h'],
  ];
  for (const [limitMs, name, bigMs, smallName] of steps) {
    if (milliseconds >= limitMs) continue;
    const smallMs = unitMs[smallName === 'min' ? 'm' : smallName] ?? 1;
    const big = Math.floor(milliseconds / bigMs);
    const small = Math.floor((milliseconds - big * bigMs) / smallMs);
    return small === 0 ? `${big} ${name}` : `${big} ${name} ${small} ${smallName}`;
  }
  return `${milliseconds} ms`;
}
