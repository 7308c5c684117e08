/** Tables for people, JSON for machines. Colour only for state, and only on a terminal. */
import pc from 'picocolors';
import type { Command } from 'commander';
import type { GlobalOptions } from './connection.ts';

export function isJson(command: Command): boolean {
  return command.optsWithGlobals<GlobalOptions>().json === true;
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

const good = new Set(['succeeded', 'ready', 'running', 'active']);
const bad = new Set(['failed', 'lost', 'quarantined', 'degraded']);

/** At least `width` characters wide, whatever the colours cost. */
export function coloured(state: string, width = 0): string {
  const text = state.padEnd(width);
  if (good.has(state)) return pc.green(text);
  return bad.has(state) ? pc.red(text) : pc.yellow(text);
}

// eslint-disable-next-line no-control-regex
const visibleLength = (text: string): number => text.replaceAll(/\u001b\[[0-9;]*m/g, '').length;

export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = heads.map((head, column) =>
    Math.max(head.length, ...rows.map((row) => visibleLength(row[column] ?? ''))),
  );
  const line = (cells: readonly string[]): string =>
    `  ${cells
      .map((cell, column) => cell + ' '.repeat(Math.max(0, (widths[column] ?? 0) - visibleLength(cell))))
      .join('   ')
      .trimEnd()}`;
  return [pc.dim(line(heads.map((head) => head.toUpperCase()))), ...rows.map(line)].join('\n');
}

export function showOne(command: Command, value: unknown, text: () => string): void {
  print(isJson(command) ? JSON.stringify(value, null, 2) : text());
}

/** A share of a whole, `width` characters wide. */
export function bar(share: number, width: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * width);
  return `${'━'.repeat(full)}${pc.dim('─'.repeat(width - full))}`;
}

export function ago(iso: string, nowMs: number = Date.now()): string {
  const seconds = Math.max(0, Math.round((nowMs - Date.parse(iso)) / 1000));
  if (seconds < 90) return `${seconds} s ago`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min ago`;
  return seconds < 129_600 ? `${Math.round(seconds / 3600)} h ago` : `${Math.round(seconds / 86_400)} d ago`;
}
