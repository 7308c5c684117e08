/**
 * One process of its own for one shape: what it has once everything has been used on a tiny model, and its peak after
 * steps of the shape.
 */
import { readFileSync } from 'node:fs';
import { createModelExecutor, probeDialect } from '../../packages/trainer/src/executor/index.ts';
import { initialiseParameters, parameterLayout } from '../../packages/training/src/model/index.ts';
import { ownRunOf, type OwnSizes } from './own-runs.ts';

const dialect = await probeDialect();
await run([1, 64, 2, 32, 2, 300]);
const baseBytes = statusBytes('VmRSS');
await run(JSON.parse(process.argv[2] ?? '[]') as OwnSizes);
console.log(JSON.stringify({ dialect, baseBytes, peakBytes: statusBytes('VmHWM') }));

/** Everything of an AdamW step is there, and was written to. */
async function run(sizes: OwnSizes): Promise<void> {
  const { config, sequences, time } = ownRunOf(sizes);
  const layout = parameterLayout(config);
  const filled = (): Float32Array => new Float32Array(layout.length).fill(1e-3);
  const state = { parameters: filled(), gradients: filled(), first: filled(), second: filled() };
  initialiseParameters(layout, 1, state.parameters);
  const { parameters, gradients } = state;
  const common = { config, sequences, time, parameters, gradients, dialect };
  await using executor = await createModelExecutor({ ...common, kind: 'gradients', threads: 1 });
  for (let at = 0; at < sequences * time; at += 1) {
    executor.tokens[at] = BigInt((at * 7) % config.vocabularySize);
    executor.targets[at] = BigInt((at * 5) % config.vocabularySize);
    executor.weights[at] = 1 / (sequences * time);
  }
  for (let step = 0; step < 4; step += 1) await executor.run();
  // Held to here, as a rank holds them.
  if (state.first.length !== state.second.length) throw new Error('moments of two lengths');
}

function statusBytes(field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync('/proc/self/status', 'utf8');
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) * 1024;
}
