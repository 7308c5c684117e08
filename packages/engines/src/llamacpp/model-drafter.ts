/**
 * A small model that reads every sequence along and says greedily what comes next. Its sequences step together; one
 * that is behind reads a piece a turn and guesses nothing until it has caught up, so it stalls nobody.
 */
import { commonPrefix } from '@gantry/serving/steps';
import type { LlamaModel } from 'node-llama-cpp';
import type { Drafter, DrafterRoom, DraftWanted } from './drafter.ts';
import { nativeParts, type NativeContext, type NativeSampler } from './native.ts';

interface Reader {
  readonly slot: number;
  /** What its KV memory holds. */
  held: number[];
}

/** One sequence in one turn: tokens to feed, and the guesses so far. */
interface Turn {
  readonly reader: Reader;
  readonly draft: number[];
  readonly most: number;
  feed: readonly number[];
}

const pieceTokens = 128;

export async function createModelDrafter(model: LlamaModel, room: DrafterRoom): Promise<Drafter> {
  const context = await model.createContext({
    sequences: room.slots,
    contextSize: Math.min(room.contextTokens, model.trainContextSize),
    batchSize: pieceTokens * 2,
    threads: room.threads,
  });
  const native = nativeParts(model, context);
  const sampler = native.createSampler();
  sampler.applyConfig({ temperature: 0 });
  const contextTokens = Math.min(room.contextTokens, model.trainContextSize);
  const readers = new Map<string, Reader>();

  const readerOf = (id: string): Reader | undefined => {
    const known = readers.get(id);
    if (known !== undefined) return known;
    const taken = new Set([...readers.values()].map(({ slot }) => slot));
    const slot = Array.from({ length: room.slots }, (_, each) => each).find((each) => !taken.has(each));
    if (slot === undefined) return undefined;
    native.context.removeTokenCellsFromSequence(slot, 0, -1);
    const reader = { slot, held: [] };
    readers.set(id, reader);
    return reader;
  };

  /** Brings the reader to the sequence; the last token is always fed again, for its logits. */
  const turnOf = ({ id, tokens, most }: DraftWanted): Turn | undefined => {
    const reader = readerOf(id);
    if (reader === undefined || tokens.length + most >= contextTokens) return undefined;
    const same = Math.min(commonPrefix(reader.held, tokens), tokens.length - 1);
    if (same < reader.held.length) native.context.removeTokenCellsFromSequence(reader.slot, same, -1);
    reader.held = reader.held.slice(0, same);
    const missing = tokens.slice(same);
    const isBehind = missing.length > pieceTokens;
    return { reader, draft: [], most: isBehind ? 0 : most, feed: missing.slice(0, pieceTokens) };
  };

  return {
    propose: async (wanted) => {
      const turns = new Map<string, Turn>();
      for (const one of wanted) {
        const turn = turnOf(one);
        if (turn !== undefined) turns.set(one.id, turn);
      }
      for (;;) {
        const step = fit([...turns.values()].filter(({ feed }) => feed.length > 0));
        if (step.length === 0) break;
        await decode(native.context, sampler, step);
      }
      return new Map([...turns].map(([id, { draft }]) => [id, draft]));
    },
    forget: (id) => {
      readers.delete(id);
    },
    [Symbol.asyncDispose]: async () => {
      sampler.dispose();
      await context.dispose();
      await model.dispose();
    },
  };
}

/** As many turns as one pass holds, in the order of their slots. */
function fit(turns: readonly Turn[]): readonly Turn[] {
  let room = pieceTokens * 2;
  return turns
    .filter(({ feed }) => (room -= feed.length) >= 0)
    .sort((one, other) => one.reader.slot - other.reader.slot);
}

async function decode(context: NativeContext, sampler: NativeSampler, turns: readonly Turn[]): Promise<void> {
  context.initBatch(turns.reduce((sum, { feed }) => sum + feed.length, 0));
  const due = turns.map((turn) => {
    const { reader, feed, most } = turn;
    const wanted = most > 0 ? Uint32Array.of(feed.length - 1) : new Uint32Array();
    const [logitIndex] = context.addToBatch(reader.slot, reader.held.length, Uint32Array.from(feed), wanted);
    return { turn, logitIndex };
  });
  await context.decodeBatch();
  for (const { turn, logitIndex } of due) {
    turn.reader.held.push(...turn.feed);
    turn.feed = [];
    if (logitIndex === undefined) continue;
    const token = await context.sampleToken(logitIndex, sampler);
    if (token < 0) continue;
    turn.draft.push(token);
    if (turn.draft.length < turn.most) turn.feed = [token];
  }
}
