/** What a pass computes: a token of everybody who generates, pieces of prompts in what room is left, then guesses. */
import type { KvBlocks } from '../cache/kv-blocks.ts';
import type { StepEntry } from './step-plan.ts';
import type { StepSequence } from './step-sequence.ts';

/** `ranked`: best first. `pieceTokens`: how many prompt tokens go beside so many that generate. */
export function entriesOf(
  ranked: readonly StepSequence[],
  stepTokens: number,
  kv: KvBlocks,
  pieceTokens: (generating: number) => number,
): StepEntry[] {
  const entries: StepEntry[] = [];
  for (const sequence of ranked) {
    if (sequence.tokens.length - sequence.computed !== 1 || entries.length === stepTokens) continue;
    entries.push(entryOf(sequence, 1, kv));
  }
  const reading = ranked.filter(({ tokens, computed }) => tokens.length - computed > 1).length;
  const pieces = piecesFor(reading, entries.length);
  let room = Math.min(stepTokens - entries.length, pieceTokens(entries.length) * pieces);
  for (const sequence of ranked) {
    const left = sequence.tokens.length - sequence.computed;
    if (left <= 1 || room <= 0) continue;
    const count = Math.min(room, left);
    entries.push(entryOf(sequence, count, kv));
    room -= count;
  }
  return entries;
}

/** Two pieces a pass where more wait for their prompts than would wait for their next token; never more. */
const piecesFor = (reading: number, generating: number): number =>
  generating > 0 && reading > generating ? 2 : 1;

/** The next `count` tokens of the sequence. */
function entryOf(sequence: StepSequence, count: number, kv: KvBlocks): StepEntry {
  const end = sequence.computed + count;
  return {
    id: sequence.id,
    table: [...(kv.sequence(sequence.kv)?.blocks ?? [])],
    firstPosition: sequence.computed,
    tokens: sequence.tokens.slice(sequence.computed, end),
    isSampled: end === sequence.tokens.length,
    isScored: sequence.isScored && sequence.computed < sequence.promptTokens,
    drafted: 0,
  };
}

/** Guesses take what room nobody else has a claim to, in the plan and in the memory. */
export function addGuesses(
  entries: StepEntry[],
  stepTokens: number,
  running: Pick<ReadonlyMap<string, StepSequence>, 'get'>,
  kv: KvBlocks,
): void {
  let spare = stepTokens - entries.reduce((sum, { tokens }) => sum + tokens.length, 0);
  for (const [at, { id }] of entries.entries()) {
    const sequence = running.get(id) as StepSequence;
    const wanted = sequence.draft.slice(0, Math.max(0, spare));
    sequence.draft = [];
    if (sequence.tokens.length - sequence.computed !== 1) continue;
    const missing = wanted.findIndex((token) => !kv.append(sequence.kv, token));
    const draft = missing === -1 ? wanted : wanted.slice(0, missing);
    if (draft.length === 0) continue;
    const guessed = entryOf(sequence, 1, kv);
    entries[at] = { ...guessed, tokens: [...guessed.tokens, ...draft], drafted: draft.length };
    spare -= draft.length;
  }
}
