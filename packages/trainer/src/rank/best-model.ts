/**
 * Early stopping of a run: rank 0 keeps the parameters of the look at which held-out loss was lowest, in `best/` of
 * the run's directory, with what a later attempt must know to go on counting. The export is of that step.
 */
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import {
  EarlyStopping,
  type EarlyStoppingOptions,
  type Look,
  type StoppingState,
} from '@gantry/training/run';
import { writeAside } from '../data/write-aside.ts';

interface BestRecord {
  readonly stopping: StoppingState;
  /** Of the file of the lowest look; undefined when it could not be written. */
  readonly crc32: number | undefined;
}

export interface LookOutcome {
  readonly isEnough: boolean;
  /** Why the parameters of this, the best look, could not be kept. */
  readonly problem: unknown;
}

export class BestModel {
  readonly #directory: string;
  readonly #stopping: EarlyStopping;
  #crc32: number | undefined;

  private constructor(directory: string, stopping: EarlyStopping, sum: number | undefined) {
    this.#directory = directory;
    this.#stopping = stopping;
    this.#crc32 = sum;
  }

  /** Undefined when the job asks for no early stopping. */
  static async open(
    runDirectory: string,
    options: EarlyStoppingOptions | undefined,
    resumedStep: number,
  ): Promise<BestModel | undefined> {
    if (options === undefined) return undefined;
    const directory = join(runDirectory, 'best');
    const text = await readFile(join(directory, 'state.json'), 'utf8').catch(() => undefined);
    if (text === undefined) return new BestModel(directory, new EarlyStopping(options), undefined);
    // Written whole or not at all.
    const record = JSON.parse(text) as BestRecord;
    const stopping = new EarlyStopping(options, { state: record.stopping, resumedStep });
    return new BestModel(directory, stopping, record.crc32);
  }

  async look(step: number, loss: number, parameters: Float32Array): Promise<LookOutcome> {
    const before = this.#stopping.state?.lowest.step;
    const { isLowest, isEnough } = this.#stopping.look(step, loss);
    try {
      await mkdir(this.#directory, { recursive: true });
      if (isLowest) {
        this.#crc32 = undefined;
        const bytes = bytesOf(parameters);
        await writeAside(this.#pathOf(step), bytes);
        this.#crc32 = crc32(bytes);
      }
      const record = { stopping: this.#stopping.state, crc32: this.#crc32 };
      await writeAside(join(this.#directory, 'state.json'), `${JSON.stringify(record)}\n`);
      if (isLowest && before !== undefined && before !== step)
        await rm(this.#pathOf(before), { force: true });
      return { isEnough, problem: undefined };
    } catch (problem) {
      return { isEnough, problem };
    }
  }

  /** Fills `parameters` with the best ones; undefined when there are none, or not whole. */
  async takeInto(parameters: Float32Array): Promise<Look | undefined> {
    const lowest = this.#stopping.state?.lowest;
    if (lowest === undefined || this.#crc32 === undefined) return undefined;
    const bytes = await readFile(this.#pathOf(lowest.step)).catch(() => undefined);
    if (bytes?.length !== parameters.byteLength || crc32(bytes) !== this.#crc32) return undefined;
    bytesOf(parameters).set(bytes);
    return lowest;
  }

  #pathOf(step: number): string {
    return join(this.#directory, `step-${String(step).padStart(8, '0')}.f32`);
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);
