/**
 * One place where a command's answer becomes text: tables for people, JSON for machines, and with
 * `--watch` the same again after every change (one JSON line a change) until it is interrupted.
 */
import type { Command } from 'commander';
import { isJson, print, table } from './output.ts';

export interface View<T> {
  readonly load: () => Promise<T>;
  readonly text: (value: T) => string;
  /** Ends `--watch`: nothing will change any more. */
  readonly isFinal?: (value: T) => boolean;
}

const defaultEverySeconds = 2;

/** Gives a list or a show its `--watch`. */
export function watchable(command: Command): Command {
  return command.option(
    '-w, --watch [SECONDS]',
    'again whenever it changed, looking every 2 s or as often as you say',
  );
}

/** What `--watch` asks for, in milliseconds; undefined without it. */
function watchEveryMs(command: Command): number | undefined {
  const { watch } = command.opts<{ watch?: boolean | string }>();
  if (watch === undefined || watch === false) return undefined;
  const seconds = watch === true ? defaultEverySeconds : Number(watch);
  return Math.max(0.1, Number.isFinite(seconds) ? seconds : defaultEverySeconds) * 1000;
}

export async function view<T>(command: Command, { load, text, isFinal }: View<T>): Promise<void> {
  const everyMs = watchEveryMs(command);
  const asJson = isJson(command);
  if (everyMs === undefined) {
    const value = await load();
    print(asJson ? JSON.stringify(value, null, 2) : text(value));
    return;
  }
  const isLive = process.stdout.isTTY === true && !asJson;
  let before: string | undefined;
  for (;;) {
    const value = await load();
    const now = asJson ? JSON.stringify(value) : text(value);
    if (now !== before) {
      if (isLive) process.stdout.write('\u001b[H\u001b[2J');
      print(now);
    }
    before = now;
    if (isFinal?.(value) === true) return;
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

export interface ListView<T> {
  readonly load: () => Promise<readonly T[]>;
  readonly heads: readonly string[];
  readonly row: (item: T, all: readonly T[]) => readonly string[];
  /** Said instead of a table without rows; ideally the command that makes the first one. */
  readonly empty: string;
}

export function viewList<T>(command: Command, { load, heads, row, empty }: ListView<T>): Promise<void> {
  return view(command, {
    load,
    text: (items) =>
      items.length === 0
        ? `  ${empty}`
        : table(
            heads,
            items.map((item) => row(item, items)),
          ),
  });
}
