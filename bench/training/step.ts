/**
 * One training step (forward, backward, AdamW) on one thread: ours in both dialects and torch with SDPA, eager and
 * through torch.compile, alternated step by step in one run; ratios are of medians. The peer needs a Python with torch in
 * GANTRY_BENCH_PYTHON; without it only ours is timed and nothing is judged.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createModelExecutor } from '../../packages/trainer/src/executor/index.ts';
import {
  initialiseParameters,
  transformerShape,
  parameterLayout,
} from '../../packages/training/src/model/index.ts';
import { adamWDefaults, adamWUpdate } from '../../packages/training/src/optimizer/index.ts';
import type { BenchLine } from '../bench-line.ts';
import { median } from './median.ts';
import { startTorchPeer, type Contender } from './torch-peer.ts';

const common = { depth: 6, batch: 8, length: 256, vocabulary: 512, width: 384, heads: 6 };
const sizes = { llama: { ...common, hidden: 1024 }, gpt: { ...common, hidden: 1536 } } as const;
type Family = keyof typeof sizes;
const rounds = 9;
type Dialect = 'blocked' | 'portable';
type Mode = 'eager' | 'compile' | 'bf16';
/** How many times as fast as torch a dialect must be (issue 5); what torch does in half the bits is only told. */
const bars: Readonly<Record<Family, readonly (readonly [Dialect, Mode, number?])[]>> = {
  llama: [
    ['blocked', 'eager', 1.05],
    ['blocked', 'compile', 0.97],
    ['portable', 'eager', 0.8],
    ['blocked', 'bf16'],
  ],
  gpt: [
    ['blocked', 'eager', 0.95],
    ['blocked', 'compile', 0.95],
    ['portable', 'eager', 0.8],
  ],
};

const hasAmx = existsSync('/proc/cpuinfo') && readFileSync('/proc/cpuinfo', 'utf8').includes('amx_bf16');
const modeNames: Readonly<Record<Mode, string>> = {
  eager: 'eager',
  compile: 'compile',
  bf16: `bf16 autocast ${hasAmx ? 'on AMX' : '(no AMX here)'}`,
};

export const llamaStep = (): Promise<BenchLine[]> => stepOf('llama');
/** LayerNorm, GELU, biases, learned positions. */
export const gptStep = (): Promise<BenchLine[]> => stepOf('gpt');

const numbersOf = ({ depth, batch, length, vocabulary, width, heads, hidden }: (typeof sizes)[Family]) =>
  [depth, batch, length, vocabulary, width, heads, hidden].map(String);
/** As the torch scripts take them. */
export const llamaNumbers = numbersOf(sizes.llama);

async function stepOf(family: Family): Promise<BenchLine[]> {
  const contenders = new Map<string, () => Promise<number>>();
  for (const dialect of ['blocked', 'portable'] as const)
    contenders.set(dialect, await ourStep(dialect, family));
  const numbers = numbersOf(sizes[family]);
  const script = family === 'gpt' ? 'torch_gpt_step.py' : 'torch_step.py';
  const eager = await startTorchPeer(script, numbers);
  // Without a C++ compiler it has none.
  const compiled = await startTorchPeer(script, [...numbers, 'compile']).catch(() => undefined);
  const isTold = bars[family].some(([, mode]) => mode === 'bf16');
  const halved = isTold ? await startTorchPeer(script, [...numbers, 'bf16']) : undefined;
  const peers = new Map<Mode, Contender>();
  for (const [mode, peer] of Object.entries({ eager, compile: compiled, bf16: halved }) as [
    Mode,
    typeof eager,
  ][])
    if (peer !== undefined) peers.set(mode, peer);
  for (const [mode, peer] of peers) contenders.set(mode, () => peer.measure());
  const timesMs = new Map([...contenders.keys()].map((name) => [name, [] as number[]]));
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, step] of contenders) timesMs.get(name)?.push(await step());
  }
  for (const peer of peers.values()) peer.stop();
  return bars[family].map(([dialect, mode, bar]) => {
    const peer = peers.get(mode);
    const peerMs = peer === undefined ? undefined : median(timesMs.get(mode) ?? []);
    const all = timesMs.get(dialect) ?? [];
    const ms = median(all);
    return {
      bench: 'training',
      case: `${family}-step-${dialect}${mode === 'eager' ? '' : `-vs-${mode}`}`,
      ours: ms,
      peer: peerMs,
      peerName: peer === undefined ? undefined : `torch ${peer.version} ${modeNames[mode]}, 1 thread`,
      better: 'less',
      bar: bar === undefined ? 'told' : `peer / ours >= ${bar}`,
      pass: peerMs === undefined || bar === undefined || peerMs / ms >= bar,
      unit: 'ms',
      rounds: all,
    };
  });
}

/** A step of ours: answers its milliseconds. */
export async function ourStep(dialect: Dialect, family: Family = 'llama'): Promise<() => Promise<number>> {
  const size = sizes[family];
  const config = transformerShape({
    ...size,
    family,
    sequenceLength: size.length,
    vocabularySize: size.vocabulary,
  });
  const layout = parameterLayout(config);
  const buffer = (): Float32Array => new Float32Array(layout.length);
  const state = { parameters: buffer(), gradients: buffer(), first: buffer(), second: buffer() };
  initialiseParameters(layout, 1, state.parameters);
  const executor = await createModelExecutor({
    config,
    sequences: size.batch,
    time: size.length,
    kind: 'gradients',
    parameters: state.parameters,
    gradients: state.gradients,
    dialect,
  });
  const rows = size.batch * size.length;
  for (let row = 0; row < rows; row += 1) {
    executor.tokens[row] = BigInt((row * 7) % size.vocabulary);
    executor.targets[row] = BigInt((row * 5) % size.vocabulary);
    executor.weights[row] = 1 / rows;
  }
  let step = 0;
  const run = async (): Promise<number> => {
    const started = performance.now();
    await executor.run();
    step += 1;
    for (const { offset, length, decays } of layout.parameters) {
      const range = { from: offset, to: offset + length, decays };
      adamWUpdate(state, range, adamWDefaults, { step, learningRate: 1e-4, gradientScale: 1 });
    }
    return performance.now() - started;
  };
  await run();
  return run;
}
