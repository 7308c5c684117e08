/**
 * llama.cpp's K/V memory as the block manager's lanes: a sequence id is a lane, and the moves of a plan become its own
 * operations on sequences. Keeps how many tokens each lane really holds, so that what a plan does not count on is cut off
 * before the next token is written after it.
 */
import {
  laneCommands,
  type LaneCommand,
  type StepEntry,
  type StepPlan,
  type StepScheduler,
} from '@gantry/serving/steps';
import type { NativeContext } from './native.ts';
import type { ParkedFiles } from './parked-files.ts';

export interface LlamaLanesParts {
  readonly context: NativeContext;
  readonly scheduler: StepScheduler;
  readonly parking: ParkedFiles | undefined;
  readonly lanes: number;
  readonly blocksEach: number;
  readonly tokensPerBlock: number;
  readonly onLog?: ((line: string) => void) | undefined;
}

export class LlamaLanes {
  readonly #parts: LlamaLanesParts;
  /** Tokens in each. */
  readonly #held: number[];

  constructor(parts: LlamaLanesParts) {
    this.#parts = parts;
    this.#held = Array.from({ length: parts.lanes }, () => 0);
  }

  laneOf({ table }: StepEntry): number {
    return Math.floor((table[0] as number) / this.#parts.blocksEach);
  }

  /** The ids of sequences whose beginning could not be had: their entries in the plan are void. */
  async move({ moves }: StepPlan): Promise<ReadonlySet<string>> {
    const lost = new Set<string>();
    for (const command of laneCommands(moves, this.#parts)) {
      const id = await this.#execute(command);
      if (id !== undefined) lost.add(id);
    }
    return lost;
  }

  /** The lane holds what comes before the entry's tokens, and nothing else; it will hold them too. */
  write(entry: StepEntry): number {
    const lane = this.laneOf(entry);
    this.#cut(lane, entry.firstPosition);
    if (this.#heldIn(lane) < entry.firstPosition)
      throw new Error(`lane ${lane} holds ${this.#heldIn(lane)} tokens, not ${entry.firstPosition}`);
    this.#held[lane] = entry.firstPosition + entry.tokens.length;
    return lane;
  }

  /** A pass failed: what the lanes hold is not known. */
  clear(): void {
    for (const lane of this.#held.keys()) {
      this.#held[lane] = 0;
      this.#parts.context.removeTokenCellsFromSequence(lane, 0, -1);
    }
  }

  async #execute(command: LaneCommand): Promise<string | undefined> {
    const { context, scheduler, parking, onLog } = this.#parts;
    switch (command.kind) {
      case 'copy':
        await context.copySequenceStateFromOtherSequence(command.to, command.from);
        this.#held[command.to] = this.#heldIn(command.from);
        this.#cut(command.to, command.tokens);
        return undefined;
      case 'park':
        try {
          const { lane, slots } = command;
          scheduler.dropSlots((await parking?.park(lane, slots, this.#heldIn(lane))) ?? slots);
        } catch (cause) {
          scheduler.dropSlots(command.slots);
          onLog?.(`a prefix was not parked: ${String(cause)}`);
        }
        return undefined;
      case 'restore':
        try {
          if (parking === undefined) throw new Error('there is no tier');
          await parking.restore(command.slot, command.lane, command.tokens);
          this.#held[command.lane] = command.tokens;
          return undefined;
        } catch (cause) {
          onLog?.(`a parked prefix did not come back: ${String(cause)}`);
          this.#held[command.lane] = Infinity;
          this.#cut(command.lane, 0);
          return scheduler.lose(command.block);
        }
    }
  }

  #heldIn(lane: number): number {
    return this.#held[lane] as number;
  }

  #cut(lane: number, tokens: number): void {
    if (this.#heldIn(lane) <= tokens) return;
    this.#parts.context.removeTokenCellsFromSequence(lane, tokens, -1);
    this.#held[lane] = tokens;
  }
}
