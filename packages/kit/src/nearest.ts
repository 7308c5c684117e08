/** "Did you mean": the candidate within a third of its length in edits (Damerau–Levenshtein, restricted), if any. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const mostEdits = Math.max(1, Math.floor(candidate.length / 3));
    // No fewer edits than characters too many: a word of megabytes costs nothing.
    if (Math.abs(word.length - candidate.length) > mostEdits) continue;
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance && distance <= mostEdits) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

function editDistance(from: string, to: string): number {
  const rows = Array.from({ length: from.length + 1 }, (_, row) => {
    const line = new Array<number>(to.length + 1).fill(0);
    line[0] = row;
    return line;
  });
  const at = (row: number, column: number): number => rows[row]?.[column] ?? 0;
  for (let column = 0; column <= to.length; column += 1) (rows[0] as number[])[column] = column;
  for (let row = 1; row <= from.length; row += 1) {
    for (let column = 1; column <= to.length; column += 1) {
      const cost = from[row - 1] === to[column - 1] ? 0 : 1;
      let value = Math.min(at(row - 1, column) + 1, at(row, column - 1) + 1, at(row - 1, column - 1) + cost);
      if (row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]) {
        value = Math.min(value, at(row - 2, column - 2) + 1);
      }
      (rows[row] as number[])[column] = value;
    }
  }
  return at(from.length, to.length);
}
