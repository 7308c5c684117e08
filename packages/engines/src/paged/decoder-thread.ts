/**
 * The thread of a paged decoder: it owns the session and the K/V memory, and computes plans one after the other.
 * Entries of one length make one pass; what they need of the past is read through their block tables.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { encodeOnnxModel } from '@gantry/formats/onnx';
import type { LlamaConfig } from '@gantry/formats';
import type { StepEntry } from '@gantry/serving/steps';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { decoderGraph, kvNames, passShapes } from './decoder-graph.ts';
import type { AdapterOptions } from '../llamacpp/adapters.ts';
import type { AdapterWeights } from './decoder-adapters.ts';
import type {
  Computed,
  DecoderAnswer,
  DecoderRequest,
  DecoderThreadData,
  PlannedPass,
} from './decoder-process.ts';
import { KvPool } from './kv-pool.ts';
import { passInputs } from './pass-inputs.ts';
import { projectionsOf, rowsOf } from './projections.ts';
import { placeWeights, readModelFolder } from './read-model-folder.ts';

const port = parentPort;
if (port === null) throw new Error('decoder-thread runs as a worker thread only');
const data = workerData as DecoderThreadData;
const say = (answer: DecoderAnswer, transfer: ArrayBuffer[] = []): void => port.postMessage(answer, transfer);
const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
const int64 = (values: readonly number[]): Tensor =>
  new Tensor('int64', BigInt64Array.from(values, BigInt), [values.length]);

async function load(): Promise<{
  readonly config: LlamaConfig;
  readonly session: InferenceSession;
  readonly loras: Loras;
}> {
  const { adapters = [] } = data;
  const { config: full } = await readModelFolder(data.folder);
  const config = { ...full, contextLength: Math.min(full.contextLength, data.contextTokens) };
  const weights = await placeWeights(data.folder, config);
  const model = encodeOnnxModel(decoderGraph(config, weights, data.tokensPerBlock, adapters.length > 0));
  const session = await InferenceSession.create(model, {
    executionProviders: ['cpu'],
    intraOpNumThreads: data.threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    extra: { session: { model_external_initializers_file_folder_path: data.folder } },
  });
  return { config, session, loras: adapters.length === 0 ? noLoras : await loadLoras(config, adapters) };
}

type Feeds = Readonly<Record<string, Tensor>>;
/** The adapter inputs of a pass, by the adapter's name; undefined: none. */
type Loras = ReadonlyMap<string | undefined, Feeds>;
const noLoras: Loras = new Map();

async function loadLoras(config: LlamaConfig, adapters: readonly AdapterOptions[]): Promise<Loras> {
  const { readAdapter, zeroLowRank } = await import('./decoder-adapters.ts');
  const projections = projectionsOf(config);
  const feeds = (weights: AdapterWeights): Feeds =>
    Object.fromEntries(
      [...projections].flatMap(([to, projection]) => {
        const { rank, a, b } = weights.get(to) ?? zeroLowRank(projection);
        return [
          [`lora.${to}.a`, new Tensor('float32', a, [rank, projection.columns])],
          [`lora.${to}.b`, new Tensor('float32', b, [rowsOf(projection), rank])],
        ];
      }),
    );
  const loras = new Map<string | undefined, Feeds>([[undefined, feeds(new Map())]]);
  for (const one of adapters) loras.set(one.name, feeds(await readAdapter(config, one)));
  return loras;
}

try {
  const { config, session, loras } = await load();
  const { kvHeads, headWidth, layers, vocabularySize, width } = config;
  const names = kvNames(layers);
  const pool = new KvPool({
    planes: names.length,
    blocks: data.blocks,
    kvHeads,
    tokensPerBlock: data.tokensPerBlock,
    headWidth,
    memorySlots: data.memorySlots,
    diskSlots: data.diskSlots,
    ...(data.spillFolder === undefined ? {} : { folder: data.spillFolder }),
  });
  const cells = [data.blocks, kvHeads, data.tokensPerBlock, headWidth];
  const pools = Object.fromEntries(
    names.map((name, plane) => [
      `pool.${name}`,
      new Tensor('float32', pool.planes[plane] as Float32Array, cells),
    ]),
  );

  /** One pass of entries that have as many tokens each and one adapter; their logits, entry by entry, and the states that are wanted. */
  const pass = async (
    entries: readonly StepEntry[],
    embedded: readonly string[],
    lora: Feeds | undefined,
  ): Promise<Computed> => {
    const { sizes, tokens, positions, table, mask, wanted, rowsOf } = passInputs(
      entries,
      data.tokensPerBlock,
    );
    const shapes = Object.entries(passShapes(config, data.tokensPerBlock, sizes)).map(
      ([name, shape]) => [`shape.${name}`, int64(shape)] as const,
    );
    const keys = sizes.blocksEach * data.tokensPerBlock + sizes.tokensEach;
    const isEmbedding = entries.some(({ id }) => embedded.includes(id));
    const feeds = {
      ...pools,
      ...lora,
      ...Object.fromEntries(shapes),
      tokens: int64(tokens),
      positions: int64(positions),
      table: int64(table),
      mask: new Tensor('float32', mask, [sizes.sequences, 1, 1, sizes.tokensEach, keys]),
      wanted: int64(wanted),
    };
    const outputs = await session.run(feeds, [
      'logits',
      ...(isEmbedding ? ['states'] : []),
      ...names.map((name) => `new.${name}`),
    ]);
    for (const [plane, name] of names.entries()) {
      const fresh = (outputs[`new.${name}`] as Tensor).data as Float32Array;
      for (const [at, { table, firstPosition, tokens: own }] of entries.entries())
        pool.write(plane, fresh, at, {
          table,
          firstPosition,
          count: own.length,
          tokensEach: sizes.tokensEach,
        });
    }
    const logits = (outputs['logits'] as Tensor).data as Float32Array;
    const ends = rowsOf.map((_, at) => rowsOf.slice(0, at + 1).reduce((sum, rows) => sum + rows, 0));
    const states = new Map<string, Float32Array>();
    for (const [at, { id }] of entries.entries()) {
      if (!embedded.includes(id)) continue;
      const all = (outputs['states'] as Tensor).data as Float32Array;
      const end = (ends[at] as number) * width;
      states.set(id, all.slice(end - width, end));
    }
    return {
      logits: ends.map((end, at) =>
        logits.slice((end - (rowsOf[at] as number)) * vocabularySize, end * vocabularySize),
      ),
      states,
    };
  };

  const compute = async ({ plan, embedded, adapters }: PlannedPass): Promise<void> => {
    try {
      pool.move(plan.moves);
    } catch (error) {
      say({ kind: 'lost', message: reasonOf(error) });
      return;
    }
    const logits: Float32Array[] = plan.entries.map(() => new Float32Array());
    const states = new Map<string, Float32Array>();
    const alike = Map.groupBy(plan.entries.keys(), (at) => {
      const { id, tokens } = plan.entries[at] as StepEntry;
      return `${tokens.length} ${adapters.get(id) ?? ''}`;
    });
    for (const indices of alike.values()) {
      const entries = indices.map((at) => plan.entries[at] as StepEntry);
      const results = await pass(entries, embedded, loras.get(adapters.get(entries[0]?.id ?? '')));
      for (const [index, at] of indices.entries()) logits[at] = results.logits[index] as Float32Array;
      for (const [id, state] of results.states) states.set(id, state);
    }
    say(
      { kind: 'done', logits, states },
      logits.map(({ buffer }) => buffer as ArrayBuffer),
    );
  };

  port.on('message', (request: DecoderRequest) => {
    if (request.kind === 'close') {
      pool[Symbol.dispose]();
      void session.release().finally(() => port.close());
      return;
    }
    compute(request).catch((error: unknown) => say({ kind: 'failed', message: reasonOf(error) }));
  });
  say({ kind: 'ready' });
} catch (error) {
  say({ kind: 'refused', message: reasonOf(error) });
  port.close();
}
