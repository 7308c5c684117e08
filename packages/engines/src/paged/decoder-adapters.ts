/**
 * LoRA adapters of a paged decoder (Hu et al. 2021): beside each projection of its graph stand two narrow matrices,
 * y = x·Wᵀ + (x·Aᵀ)·Bᵀ, given to every pass; B has the scale in it. Requests without an adapter pass zeros of rank 1.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { decodeValues, hasCodec } from '@gantry/conversion';
import { toHalvedRotary, type GgufHeader, type GgufTensorPlace, type LlamaConfig } from '@gantry/formats';
import { EngineError } from '../engine-error.ts';
import type { AdapterOptions } from '../llamacpp/adapters.ts';
import { checkModelFile } from '../llamacpp/check-model-file.ts';
import { projectionsOf, rowsOf, type Projection } from './projections.ts';

export interface LowRank {
  readonly rank: number;
  /** [rank, columns] */
  readonly a: Float32Array;
  /** [rows of all parts, rank] */
  readonly b: Float32Array;
}

/** By the projection that it changes; the others stay as they are. */
export type AdapterWeights = ReadonlyMap<string, LowRank>;

export function zeroLowRank(projection: Projection): LowRank {
  return { rank: 1, a: new Float32Array(projection.columns), b: new Float32Array(rowsOf(projection)) };
}

/** A LoRA of this model as GGUF, as llama.cpp reads it; throws `EngineError` for a file that has more or less than that. */
export async function readAdapter(config: LlamaConfig, options: AdapterOptions): Promise<AdapterWeights> {
  const refuse = (why: string): EngineError =>
    new EngineError('model_invalid', `The adapter ${options.name} cannot be loaded: ${why}.`, {
      hint: 'Give a LoRA of this model as GGUF.',
    });
  const header = await checkModelFile(options.path);
  const text = (key: string): string | undefined => {
    const value = header.metadata.get(key);
    return value?.type === 'string' ? value.value : undefined;
  };
  if (text('general.type') !== 'adapter' || text('adapter.type') !== 'lora')
    throw refuse('it is no LoRA adapter');
  const factors = new Factors(header, refuse);
  await using file = await open(options.path);
  const changed = new Map<string, LowRank>();
  for (const [node, projection] of projectionsOf(config)) {
    const parts = await factors.take(file, projection, scaleOf(header, options));
    if (parts.some((part) => part.rank > 0)) changed.set(node, joined(parts, projection));
  }
  const [left] = factors.names;
  if (left !== undefined) throw refuse(`it changes ${left.slice(0, 80)}, which is not read here`);
  return changed;
}

/** llama.cpp's: divided by the rank where the file says alpha. */
function scaleOf({ metadata }: GgufHeader, { scale = 1 }: AdapterOptions): (rank: number) => number {
  const alpha = metadata.get('adapter.lora.alpha');
  const said = alpha !== undefined && 'value' in alpha ? Number(alpha.value) : 0;
  return (rank) => (said === 0 ? scale : (scale * said) / rank);
}

/** Rank 0: the adapter leaves this matrix as it is. */
interface Part extends LowRank {
  readonly rows: number;
}

class Factors {
  readonly #tensors: Map<string, GgufTensorPlace>;
  readonly #refuse: (why: string) => EngineError;

  constructor({ tensors }: GgufHeader, refuse: (why: string) => EngineError) {
    this.#tensors = new Map(tensors.map((tensor) => [tensor.name, tensor]));
    this.#refuse = refuse;
  }

  /** Of tensors that nobody took. */
  get names(): readonly string[] {
    return [...this.#tensors.keys()];
  }

  async take(
    file: FileHandle,
    { parts, columns }: Projection,
    scaleOf: (rank: number) => number,
  ): Promise<readonly Part[]> {
    const taken: Part[] = [];
    for (const { ggufName, shape, rotaryHeads } of parts) {
      const rows = shape[0] ?? 0;
      const [down, up] = [this.#remove(`${ggufName}.lora_a`), this.#remove(`${ggufName}.lora_b`)];
      if (down === undefined && up === undefined) {
        taken.push({ rows, rank: 0, a: new Float32Array(), b: new Float32Array() });
        continue;
      }
      const rank = down?.shape[0] ?? 0;
      if (
        down?.shape.join() !== [rank, columns].join() ||
        up?.shape.join() !== [rows, rank].join() ||
        rank === 0
      )
        throw this.#refuse(`what it has for ${ggufName} does not fit ${rows}x${columns}`);
      const b = await this.#read(file, up);
      const scale = scaleOf(rank);
      const scaled = (rotaryHeads === undefined ? b : toHalvedRotary(b, rotaryHeads, rows)).map(
        (value) => value * scale,
      );
      taken.push({ rows, rank, a: await this.#read(file, down), b: scaled });
    }
    return taken;
  }

  #remove(name: string): GgufTensorPlace | undefined {
    const tensor = this.#tensors.get(name);
    this.#tensors.delete(name);
    return tensor;
  }

  async #read(file: FileHandle, { name, type, offset, bytes }: GgufTensorPlace): Promise<Float32Array> {
    if (!hasCodec(type)) throw this.#refuse(`${name} is ${type}`);
    const data = new Uint8Array(bytes);
    await file.read(data, 0, bytes, offset);
    return decodeValues(type, data);
  }
}

/** Matrices one below the other: the A one below the other too, of each B its own columns. */
function joined(parts: readonly Part[], { columns }: Projection): LowRank {
  const rank = parts.reduce((sum, part) => sum + part.rank, 0);
  const a = new Float32Array(rank * columns);
  const b = new Float32Array(parts.reduce((sum, { rows }) => sum + rows, 0) * rank);
  let [row, column] = [0, 0];
  for (const part of parts) {
    a.set(part.a, column * columns);
    for (let own = 0; own < part.rows; own += 1)
      b.set(part.b.subarray(own * part.rank, (own + 1) * part.rank), (row + own) * rank + column);
    row += part.rows;
    column += part.rank;
  }
  return { rank, a, b };
}
