/** Trace files are comma-separated tables with a header; a wrong cell is named with its line. */

export class TraceError extends Error {
  readonly code = 'trace_invalid';
  readonly hint: string;
  constructor(message: string, hint: string) {
    super(message);
    this.name = 'TraceError';
    this.hint = hint;
  }
}

export interface TraceRow {
  line: number;
  text: (column: string) => string;
  /** A number that is zero or more. */
  amount: (column: string) => number;
}

const LARGEST_TRACE_BYTES = 512 * 2 ** 20;

export function readTable(name: string, content: string, columns: readonly string[]): TraceRow[] {
  if (content.length > LARGEST_TRACE_BYTES)
    throw new TraceError(`${name} is larger than 512 MiB.`, 'Cut the trace into parts.');
  const lines = content.split(/\r?\n/u);
  const header = (lines[0] ?? '').split(',');
  const missing = columns.filter((column) => !header.includes(column));
  if (missing.length > 0)
    throw new TraceError(
      `${name} line 1: missing column ${missing.join(', ')}.`,
      `The header must name: ${columns.join(', ')}.`,
    );
  const at = new Map(header.map((column, index) => [column, index]));
  const rows: TraceRow[] = [];
  for (const [index, content_] of lines.entries()) {
    if (index === 0 || content_ === '') continue;
    const cells = content_.split(',');
    const line = index + 1;
    const text = (column: string): string => cells[at.get(column) ?? -1] ?? '';
    const amount = (column: string): number => {
      const value = text(column) === '' ? Number.NaN : Number(text(column));
      if (!(value >= 0))
        throw new TraceError(
          `${name} line ${line}: ${column} is "${text(column)}".`,
          'It must be a number that is zero or more.',
        );
      return value;
    };
    rows.push({ line, text, amount });
  }
  return rows;
}
