import { print } from '../output.ts';

/** One thing done: what, how long it took, what came of it. */
export function sayStep(what: string, took: string, text: string): void {
  print(`  ✓ ${what.padEnd(24)} ${took.padStart(8)}   ${text}`);
}
