/** Training that sees its weights as the export will have them: what it measures is what the export does. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeValues, encodeValues, hasCodec } from '@gantry/conversion';
import { llamaTensors, parseGguf, toHalvedRotary } from '@gantry/formats';
import { createRandom } from '@gantry/kit';
import { GraphBuilder, Tape } from '@gantry/training/autodiff';
import { parameterLayout, toHuggingFaceWeights, type TransformerConfig } from '@gantry/training/model';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDataset } from '../data/index.ts';
import { createExecutor, createModelExecutor } from '../executor/index.ts';
import { exportModel } from '../export/index.ts';
import { ofType, openTrainingScene, worstDifference, type TrainingScene } from '../testing/training-scene.ts';
import { tensorTypeOf } from '../memory/round-rows.ts';
import { openTokenSource } from './token-source.ts';
import { validationLoss } from './validation.ts';

const model = { depth: 2, width: 64, heads: 2, kvHeads: 2, hidden: 128 };
const train = { ...model, batchTokens: 8 * 16, sampleEvery: 1000, learningRate: 0.004 };
const formats = ['q8_0', 'q4_0'] as const;

let scene: TrainingScene;
beforeEach(async () => {
  scene = await openTrainingScene();
});
afterEach(() => scene[Symbol.asyncDispose]());

describe('the graph that rounds to blocks', () => {
  for (const format of formats)
    for (const axis of [0, 1] as const)
      it(`${format} along axis ${axis} gives what the file holds`, async () => {
        const random = createRandom(3);
        const [rows, columns] = [64, 96];
        // Blocks of every size, and one of zeros.
        const size = (index: number): number => (index < 32 * columns ? 0 : 2 ** ((index % 13) - 6));
        const matrix = Float32Array.from(
          { length: rows * columns },
          (_, index) => (random.next() - 0.5) * size(index),
        );
        const graph = new GraphBuilder();
        const input = graph.input('matrix', [rows, columns]);
        const rounded = new Tape(graph).apply('roundBlocks', [input], { format, axis });
        const found = new Float32Array(matrix.length);
        await using executor = await createExecutor({
          model: (prefix) => graph.model('rounded', [rounded], prefix),
          inputs: new Map([['matrix', { shape: [rows, columns], data: matrix }]]),
          outputs: new Map([[rounded.name, { shape: [rows, columns], data: found }]]),
        });
        await executor.run();
        const turn = (values: Float32Array, height: number, width: number): Float32Array =>
          values.map((_, index) => values[(index % height) * width + Math.floor(index / height)] as number);
        const type = tensorTypeOf[format];
        const wanted =
          axis === 1
            ? decodeValues(type, encodeValues(type, matrix))
            : turn(decodeValues(type, encodeValues(type, turn(matrix, rows, columns))), columns, rows);
        expect(worstDifference(found, wanted)).toBeLessThan(1e-6);
      });
});

describe('quantisation-aware training', () => {
  // A last bit may tip a value over to the next step of its block, which all others then follow.
  it('is the same in every layout, to a step of the rounding (weights 1e-3)', async () => {
    const options = { train: { ...train, quantizationAware: 'q8_0', steps: 6 } };
    await scene.attempt({ ...options, run: 'alone' });
    const alone = await scene.parametersAt('alone', 6);
    for (const [ranks, parallel] of [
      [1, { microBatches: 4, recompute: 'layer' }],
      [2, { data: 2, zero: 3 }],
      [2, { pipeline: 2, microBatches: 2 }],
      [2, { tensor: 2 }],
    ] as const) {
      const run = JSON.stringify(parallel);
      const { codes } = await scene.attempt({ ...options, run, ranks, parallel });
      expect(codes).toEqual(codes.map(() => 0));
      expect(worstDifference(await scene.parametersAt(run, 6), alone), run).toBeLessThan(1e-3);
    }
  });

  for (const format of formats)
    it(`exports ${format} that answers as training measured (1e-6), where rounding afterwards does not`, async () => {
      const steps = 40;
      const aware = await scene.attempt({
        run: 'aware',
        train: { ...train, quantizationAware: format, steps },
      });
      const plain = await scene.attempt({ run: 'plain', train: { ...train, steps } });
      const measured = (attempt: typeof aware): number =>
        ofType(attempt.reports, 'artifact')[0]?.metrics['validationLoss'] as number;
      const ofAware = await lossOf('aware', join(scene.root, 'aware', 'export', 'model.gguf'));
      expect(Math.abs(ofAware - measured(aware))).toBeLessThan(1e-6);
      const ofPlain = await lossOf('plain', await roundedAfterwards('plain', steps, format));
      // Either way: what is rounded afterwards is another model than the one that was measured.
      expect(Math.abs(ofPlain - measured(plain))).toBeGreaterThan(2e-5);
    });

  it('refuses a second rounding', async () => {
    const { codes, reports } = await scene.attempt({
      train: { ...train, steps: 4, quantizationAware: 'q8_0', precision: 'bf16' },
    });
    expect(codes).toEqual([64]);
    expect(ofType(reports, 'fault')[0]?.message).toContain('rounds 32-bit weights');
  });
});

/** Held-out loss of a GGUF's weights in our own runtime. */
async function lossOf(run: string, path: string): Promise<number> {
  const { config, dataset } = await ofRun(run);
  const layout = parameterLayout(config);
  const parameters = new Float32Array(layout.length);
  const file = await readFile(path);
  const tensors = new Map(parseGguf(file).tensors.map((tensor) => [tensor.name, tensor]));
  for (const { ggufName, huggingFaceName, rotaryHeads } of llamaTensors(config)) {
    const tensor = tensors.get(ggufName);
    if (tensor === undefined || !hasCodec(tensor.type)) throw new Error(`no ${ggufName}`);
    const { offset, bytes, shape, type } = tensor;
    const decoded = decodeValues(type, file.subarray(offset, offset + bytes));
    const values = rotaryHeads === undefined ? decoded : toHalvedRotary(decoded, rotaryHeads, shape[0] ?? 0);
    const place = layout.find(huggingFaceName);
    const [rows = 0, columns = 0] = place.shape;
    for (const [index, value] of values.entries()) {
      const at = place.isTurned ? (index % rows) * columns + Math.floor(index / rows) : index;
      parameters[place.offset + at] = value;
    }
  }
  const shape = { sequences: 4, time: 16 };
  await using executor = await createModelExecutor({ config, ...shape, kind: 'loss', parameters });
  const heldOut = openTokenSource(dataset.validation.shards, shape.time);
  const loss = await validationLoss(executor, heldOut, shape, 1_000_000);
  heldOut[Symbol.dispose]();
  return loss as number;
}

async function roundedAfterwards(
  run: string,
  step: number,
  blocks: (typeof formats)[number],
): Promise<string> {
  const { config, dataset } = await ofRun(run);
  const weights = toHuggingFaceWeights(parameterLayout(config), await scene.parametersAt(run, step));
  const outDir = join(scene.root, run, 'rounded');
  await exportModel({ weights, config, tokenizer: dataset.tokenizer, outDir, blocks });
  return join(outDir, 'model.gguf');
}

async function ofRun(run: string) {
  const dataset = await openDataset(join(scene.root, run, 'data'));
  if (dataset === undefined) throw new Error(`${run} has no data`);
  const newest = await scene.checkpoint(run, 40);
  return { dataset, config: newest.manifest.shape as unknown as TransformerConfig };
}
