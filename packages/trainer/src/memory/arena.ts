/**
 * The memory of one rank: parameters, gradients, moments and what arrives from others lie in one WebAssembly
 * memory, so that kernels reach them without a copy. What is given back is used again: the smallest free run that
 * fits, free neighbours joined. Beyond 4 GiB buffers are the engine's own and passes over them run in JavaScript.
 */
import { adamWUpdate, type AdamWSettings, type AdamWState, type AdamWStep } from '@gantry/training/optimizer';
import { addInto } from './add-into.ts';
import { createKernels, mostSummed, vectorBytes, type Kernels } from './kernels.ts';
import { wasmPageBytes, wasmPageLimit, webAssembly, type WasmMemory } from './web-assembly.ts';

/** Every buffer begins on a cache line. */
const alignBytes = 64;
const growBytes = 4 * 1024 * 1024;
/** Less that lies scattered is not worth a pass over what would move. */
const compactGainBytes = 1024 * 1024;

export interface ArenaStatistics {
  /** In buffers that are in use. */
  readonly allocatedBytes: number;
  /** Taken from the system. */
  readonly reservedBytes: number;
  readonly peakBytes: number;
  readonly largestFreeBytes: number;
}

interface Run {
  at: number;
  bytes: number;
}

/** A part of a memory that others use too: it does not grow. */
export interface ArenaRegion {
  readonly memory: WasmMemory;
  readonly at: number;
  readonly bytes: number;
}

export class Arena {
  readonly #memory: WasmMemory;
  readonly #kernels: Kernels;
  /** Buffers of the memory, one for each growth. */
  readonly #known = new WeakSet<ArrayBufferLike>();
  /** By address. */
  #free: Run[] = [];
  readonly #used = new Map<number, number>();
  /** Buffers that may lie elsewhere from one step to the next, by address: who has them hears where. */
  readonly #movable = new Map<number, (values: Float32Array) => void>();
  #reservedBytes: number;
  readonly #isFixed: boolean;
  #allocatedBytes = 0;
  #peakBytes = 0;

  constructor(region?: ArenaRegion) {
    this.#memory =
      region?.memory ?? new webAssembly.Memory({ initial: 1, maximum: wasmPageLimit, shared: true });
    this.#known.add(this.#memory.buffer);
    this.#kernels = createKernels(this.#memory);
    this.#isFixed = region !== undefined;
    this.#reservedBytes = region?.bytes ?? wasmPageBytes;
    this.#free.push({ at: region?.at ?? 0, bytes: this.#reservedBytes });
  }

  /** Where in the memory it lies; undefined when it lies elsewhere. */
  addressOf({ buffer, byteOffset }: Uint8Array): number | undefined {
    return this.#known.has(buffer) ? byteOffset : undefined;
  }

  isWithin({ buffer }: Float32Array): boolean {
    return this.#known.has(buffer);
  }

  /** A part of this memory for the arena of another thread, which sees all of it (`floatsAt`). */
  share(bytes: number): ArenaRegion {
    const room = this.room(bytes);
    const at = this.addressOf(room);
    if (at === undefined) throw new RangeError('the memory is full');
    return { memory: this.#memory, at, bytes };
  }

  /** What lies at this byte of the memory, whoever has put it there. */
  floatsAt(at: number, length: number): Float32Array {
    const { buffer } = this.#memory;
    this.#known.add(buffer);
    return new Float32Array(buffer, at, length);
  }

  /** Zeros. */
  floats(length: number): Float32Array {
    const bytes = this.bytes(length * 4);
    return new Float32Array(bytes.buffer, bytes.byteOffset, length);
  }

  /** Zeros. */
  bytes(length: number): Uint8Array {
    return this.room(length).fill(0);
  }

  /** Whatever lay there before. */
  room(length: number): Uint8Array {
    const bytes = Math.ceil(Math.max(1, length) / alignBytes) * alignBytes;
    const at = this.#take(bytes);
    if (at === undefined) return new Uint8Array(bytes).subarray(0, length);
    this.#used.set(at, bytes);
    this.#allocatedBytes += bytes;
    this.#peakBytes = Math.max(this.#peakBytes, this.#allocatedBytes);
    const { buffer } = this.#memory;
    this.#known.add(buffer);
    return new Uint8Array(buffer, at, length);
  }

  /** Takes a buffer back that nobody uses any more; any view that begins where it begins will do. */
  release(view: Uint8Array | Float32Array): void {
    const bytes = this.#known.has(view.buffer) ? this.#used.get(view.byteOffset) : undefined;
    if (bytes === undefined) return;
    this.#used.delete(view.byteOffset);
    this.#movable.delete(view.byteOffset);
    this.#allocatedBytes -= bytes;
    this.#give({ at: view.byteOffset, bytes });
  }

  /** From now on `compact` may move this buffer, whole; nobody else may keep a view of it. */
  mayMove(values: Float32Array, onMove: (moved: Float32Array) => void): void {
    const at = this.isWithin(values) ? values.byteOffset : undefined;
    if (at === undefined || !this.#used.has(at)) return;
    this.#movable.set(at, (moved) => onMove(moved.subarray(0, values.length)));
  }

  /**
   * Brings free runs together where they are worth it: what may move goes to the lowest place that has room, or down
   * to what lies before it. Between steps, when nobody works on what moves. Answers the bytes moved.
   */
  compact(leastGainBytes = compactGainBytes): number {
    const scattered =
      this.#free.reduce((sum, { bytes }) => sum + bytes, 0) - this.statistics().largestFreeBytes;
    if (scattered < leastGainBytes) return 0;
    let moved = 0;
    for (const at of [...this.#movable.keys()].toSorted((one, other) => one - other)) {
      const bytes = this.#used.get(at) as number;
      const run = this.#free.find(
        (free) => free.at < at && (free.bytes >= bytes || free.at + free.bytes === at),
      );
      if (run === undefined) continue;
      this.#moveInto(run, at, bytes);
      moved += bytes;
    }
    return moved;
  }

  #moveInto(run: Run, at: number, bytes: number): void {
    const target = run.at;
    this.#kernels.copy(target, at, bytes);
    const onMove = this.#movable.get(at) as (values: Float32Array) => void;
    for (const map of [this.#used, this.#movable]) map.delete(at);
    this.#used.set(target, bytes);
    this.#movable.set(target, onMove);
    this.#free = this.#free.filter((free) => free !== run);
    // What is left of the run, and what the buffer has left: one piece where it only slid.
    const rest = { at: target + bytes, bytes: Math.max(0, run.bytes - bytes) };
    const left = run.bytes >= bytes ? { at, bytes } : { at: target + bytes, bytes: run.bytes };
    for (const free of [rest, left]) if (free.bytes > 0) this.#give(free);
    onMove(this.floatsAt(target, bytes / 4));
  }

  statistics(): ArenaStatistics {
    return {
      allocatedBytes: this.#allocatedBytes,
      reservedBytes: this.#reservedBytes,
      peakBytes: this.#peakBytes,
      largestFreeBytes: Math.max(0, ...this.#free.map(({ bytes }) => bytes)),
    };
  }

  /** Adds `source` to the elements of `target` from `at` on. */
  addInto(target: Float32Array, source: Float32Array, at = 0): void {
    const whole = this.#known.has(target.buffer) && this.#known.has(source.buffer) ? source.length & ~15 : 0;
    if (whole > 0) this.#kernels.add(target.byteOffset + at * 4, source.byteOffset, whole * 4);
    if (whole < source.length) addInto(target, source.subarray(whole), at + whole);
  }

  /** Elements [from, to) of all of them become their sum, added up in order. */
  sumAll(views: readonly Float32Array[], from: number, to: number): void {
    const isKnown = views.length <= mostSummed && views.every(({ buffer }) => this.#known.has(buffer));
    const whole = isKnown ? (to - from) & ~15 : 0;
    if (whole > 0)
      this.#kernels.sum(
        views.map(({ byteOffset }) => byteOffset + from * 4),
        whole * 4,
      );
    for (let index = from + whole; index < to; index += 1) {
      let sum = 0;
      for (const view of views) sum = Math.fround(sum + (view[index] as number));
      for (const view of views) view[index] = sum;
    }
  }

  /** The same of floats that lie as they came, in the order of this machine's bytes and at no even address. */
  addBytes(target: Float32Array, source: Uint8Array, at: number): void {
    const isKnown = this.#known.has(target.buffer) && this.#known.has(source.buffer);
    const whole = isKnown ? source.length & ~63 : 0;
    if (whole > 0) this.#kernels.add(target.byteOffset + at * 4, source.byteOffset, whole);
    const rest = new DataView(source.buffer, source.byteOffset, source.byteLength);
    for (let byte = whole; byte < source.length; byte += 4) {
      const index = at + byte / 4;
      target[index] = (target[index] as number) + rest.getFloat32(byte, true);
    }
  }

  /** Of one kind and length. V8 copies shared memory slowly where the two do not begin at the same place in a word. */
  copy(target: Uint8Array | Float32Array, source: Uint8Array | Float32Array): void {
    if (this.#known.has(target.buffer) && this.#known.has(source.buffer))
      this.#kernels.copy(target.byteOffset, source.byteOffset, source.byteLength);
    else target.set(source);
  }

  squaredNorm(values: Float32Array): number {
    const whole = this.#known.has(values.buffer) ? values.length & ~3 : 0;
    let sum = whole > 0 ? this.#kernels.squaredNorm(values.byteOffset, whole * 4) : 0;
    for (let index = whole; index < values.length; index += 1) sum += (values[index] as number) ** 2;
    return sum;
  }

  adamW(state: AdamWState, decays: boolean, settings: AdamWSettings, step: AdamWStep): void {
    const { parameters, gradients, first, second } = state;
    const isKnown = [parameters, gradients, first, second].every(({ buffer }) => this.#known.has(buffer));
    const { length } = parameters;
    const whole = isKnown ? length - (length % (vectorBytes / 4)) : 0;
    if (whole > 0) {
      const at = {
        parameters: parameters.byteOffset,
        gradients: gradients.byteOffset,
        first: first.byteOffset,
        second: second.byteOffset,
      };
      this.#kernels.adamW(at, whole * 4, decays, settings, step);
    }
    if (whole < length) adamWUpdate(state, { from: whole, to: length, decays }, settings, step);
  }

  #take(bytes: number): number | undefined {
    const found = this.#bestFit(bytes) ?? (this.#grow(bytes) ? this.#bestFit(bytes) : undefined);
    if (found === undefined) return undefined;
    const { at } = found;
    found.at += bytes;
    found.bytes -= bytes;
    if (found.bytes === 0) this.#free = this.#free.filter((run) => run !== found);
    return at;
  }

  #bestFit(bytes: number): Run | undefined {
    let best: Run | undefined;
    for (const run of this.#free)
      if (run.bytes >= bytes && (best === undefined || run.bytes < best.bytes)) best = run;
    return best;
  }

  #grow(bytes: number): boolean {
    if (this.#isFixed) return false;
    const wanted = Math.ceil(Math.max(bytes, growBytes) / wasmPageBytes);
    const before = this.#reservedBytes;
    const room = wasmPageLimit - before / wasmPageBytes;
    const pages = Math.min(wanted, room);
    if (pages * wasmPageBytes < bytes) return false;
    try {
      this.#memory.grow(pages);
    } catch {
      return false;
    }
    this.#reservedBytes += pages * wasmPageBytes;
    this.#give({ at: before, bytes: pages * wasmPageBytes });
    return true;
  }

  #give(run: Run): void {
    const index = this.#free.findIndex(({ at }) => at > run.at);
    const place = index === -1 ? this.#free.length : index;
    this.#free.splice(place, 0, run);
    for (const at of [place, place - 1]) {
      const [one, other] = [this.#free[at], this.#free[at + 1]];
      if (one === undefined || other === undefined || one.at + one.bytes !== other.at) continue;
      one.bytes += other.bytes;
      this.#free.splice(at + 1, 1);
    }
  }
}
