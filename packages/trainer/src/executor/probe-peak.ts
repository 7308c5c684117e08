/**
 * The most that one rank gets out of this machine: the best of some large products in the dialect it uses. It stands
 * for the vendor's peak, which says nothing of shared cores; a step is measured by it.
 */
import { BlockedLayouts, GraphBuilder } from '@gantry/training/autodiff';
import { createExecutor } from './executor.ts';
import { probeDialect } from './probe-dialect.ts';

const size = 768;
const rounds = 8;

let probed: Promise<number> | undefined;

/** FLOP a second of one thread. Takes some 100 ms, once a process. */
export function probePeakFlopPerSecond(): Promise<number> {
  probed ??= measure();
  return probed;
}

async function measure(): Promise<number> {
  const graph = new GraphBuilder();
  const shape = [size, size];
  const [left, right] = [graph.input('left', shape), graph.input('right', shape)];
  const layouts = new BlockedLayouts(graph);
  const product =
    (await probeDialect()) === 'blocked'
      ? layouts.rows(layouts.product(layouts.blocked(left), layouts.turnedBlocked(right)))
      : graph.product(left, right, { right: 'transposed' });
  const matrix = (): Float32Array => Float32Array.from({ length: size * size }, (_, at) => (at % 7) - 3);
  await using executor = await createExecutor({
    model: (prefix) => graph.model('probe-peak', [product], prefix),
    inputs: new Map([
      ['left', { shape, data: matrix() }],
      ['right', { shape, data: matrix() }],
    ]),
    outputs: new Map([[product.name, { shape, data: matrix() }]]),
  });
  let bestMs = Infinity;
  for (let round = 0; round < rounds; round += 1) {
    const startMs = performance.now();
    await executor.run();
    bestMs = Math.min(bestMs, performance.now() - startMs);
  }
  return (2 * size ** 3 * 1000) / bestMs;
}
