/**
 * Whether this machine's ONNX Runtime multiplies right in the blocked layout. Its operators are internal to
 * the runtime: they are trusted only after a product with a known answer came out right.
 */
import { BlockedLayouts, GraphBuilder, type Dialect } from '@gantry/training/autodiff';
import { createExecutor } from './executor.ts';

let probed: Promise<Dialect> | undefined;

export function probeDialect(): Promise<Dialect> {
  probed ??= isBlockedRight().then(
    (isRight) => (isRight ? 'blocked' : 'portable'),
    () => 'portable',
  );
  return probed;
}

async function isBlockedRight(): Promise<boolean> {
  const [n, k, m] = [64, 32, 48] as const;
  const graph = new GraphBuilder();
  const layouts = new BlockedLayouts(graph);
  const left = graph.input('left', [n, k]);
  const right = graph.input('right', [m, k]);
  const product = layouts.rows(layouts.product(layouts.blocked(left), layouts.turnedBlocked(right)));
  // Small whole numbers: every order of adding gives the same sum.
  const a = Float32Array.from({ length: n * k }, (_, index) => ((index * 7) % 11) - 5);
  const b = Float32Array.from({ length: m * k }, (_, index) => ((index * 5) % 13) - 6);
  const result = new Float32Array(n * m);
  await using executor = await createExecutor({
    model: (prefixSequence) => graph.model('probe-blocked', [product], prefixSequence),
    inputs: new Map([
      ['left', { shape: [n, k], data: a }],
      ['right', { shape: [m, k], data: b }],
    ]),
    outputs: new Map([[product.name, { shape: [n, m], data: result }]]),
  });
  await executor.run();
  return result.every((value, index) => {
    const row = Math.floor(index / m);
    const column = index % m;
    let expected = 0;
    for (let at = 0; at < k; at += 1)
      expected += (a[row * k + at] as number) * (b[column * k + at] as number);
    return value === expected;
  });
}
