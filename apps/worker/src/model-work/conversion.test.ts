/** The worker kind `convert`, as the platform and the command line start it: a spec file in, files and a report out. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseGguf, parseSafetensors, writeGguf } from '@gantry/formats';
import { writePermutationModel } from '@gantry/engines/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { denseModel } from '../testing/dense-model.ts';
import { runConversion } from './run-conversion.ts';

let folder: string;
beforeAll(async () => {
  // What a job's log says of each tensor is nothing to who reads the tests'.
  for (const stream of [process.stdout, process.stderr]) vi.spyOn(stream, 'write').mockReturnValue(true);
  folder = await mkdtemp(join(tmpdir(), 'gantry-convert-'));
});
afterAll(() => {
  vi.restoreAllMocks();
  return rm(folder, { recursive: true, force: true });
});

/** Answers the exit code and what the worker reported last. */
async function convert(spec: object): Promise<{ code: number; said: Record<string, unknown> }> {
  const [specFile, reportFile] = [join(folder, 'spec.json'), join(folder, 'report.jsonl')];
  await writeFile(specFile, JSON.stringify(spec));
  await rm(reportFile, { force: true });
  const code = await runConversion({
    GANTRY_SPEC_FILE: specFile,
    GANTRY_REPORT_FILE: reportFile,
    GANTRY_RUN_DIR: folder,
  });
  const lines = (await readFile(reportFile, 'utf8')).trim().split('\n');
  return { code, said: JSON.parse(lines.at(-1) ?? '{}') as Record<string, unknown> };
}

describe('a registered GGUF', () => {
  it('becomes safetensors, and a GGUF of smaller weights; the report says how', async () => {
    const model = join(folder, 'original.gguf');
    await writePermutationModel(model, { seed: 1 });
    const models = { 'lm@1': model };
    const { code, said } = await convert({ convert: { model: 'lm@1', format: 'safetensors' }, models });
    expect([code, said['formats'], said['path']]).toEqual([0, ['safetensors'], join(folder, 'export')]);
    expect(parseSafetensors(await readFile(join(folder, 'export/model.safetensors'))).tensors).not.toEqual(
      [],
    );

    const onnx = await convert({ convert: { model: 'lm@1', format: 'onnx', type: 'int8' }, models });
    expect(onnx.said).toMatchObject({
      formats: ['onnx'],
      lineage: { tool: 'convert onnx F32 with keys and values, quantize int8' },
    });

    const to = join(folder, 'small.gguf');
    const smaller = await convert({ convert: { model: 'lm@1', type: 'Q8_0' }, models, to });
    expect(smaller.said).toMatchObject({
      type: 'artifact',
      formats: ['gguf'],
      lineage: { tool: 'quantize Q8_0', options: { type: 'Q8_0' }, versions: { node: process.version } },
    });
    const types = parseGguf(await readFile(to)).tensors.map(({ type }) => type);
    expect(types).toContain('Q8_0');

    // In the place of the file that it is made from; nothing else is left there.
    const again = await convert({ convert: { path: to, type: 'Q4_0' }, to });
    expect(again.code).toBe(0);
    expect(parseGguf(await readFile(to)).tensors.map(({ type }) => type)).toContain('Q4_0');
    expect((await readdir(folder)).filter((name) => name.endsWith('.part'))).toEqual([]);
  });
});

describe('a file', () => {
  it('of GGUF keeps its other tensors, and is refused a type of another format with a fault', async () => {
    const path = join(folder, 'model.gguf');
    const data = new Uint8Array(Float32Array.from({ length: 64 * 64 }, (_, at) => Math.sin(at)).buffer);
    const metadata = new Map([['general.architecture', { type: 'string' as const, value: 'llama' }]]);
    const tensors = [{ name: 'blk.0.ffn_up.weight', shape: [64, 64], type: 'F32' as const, data }];
    await writeFile(path, writeGguf(metadata, tensors));
    const { code, said } = await convert({ convert: { path, type: 'int8' } });
    expect([code, said['type'], said['code']]).toEqual([64, 'fault', 'not_possible']);
    const lost = await convert({ convert: { path: join(folder, 'nowhere'), type: 'Q8_0' } });
    expect([lost.code, lost.said['code']]).toEqual([64, 'data_missing']);
    await writeFile(join(folder, 'cut.gguf'), (await readFile(path)).subarray(0, 40));
    const cut = await convert({ convert: { path: join(folder, 'cut.gguf'), type: 'Q8_0' } });
    expect([cut.code, cut.said['type']]).toEqual([64, 'fault']);
  });

  it('of ONNX is calibrated on samples, and says what is wrong with them', async () => {
    const [path, to] = [join(folder, 'scorer.onnx'), join(folder, 'small.onnx')];
    const data = join(folder, 'samples.jsonl');
    const model = denseModel();
    await writeFile(path, model);
    const row = (value: number) => {
      const values = Array.from({ length: 64 }, () => value);
      return JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 64], data: values }] });
    };
    await writeFile(data, [-1, 0.5, 1].map(row).join('\n'));
    const wish = { path, type: 'int8-static' };
    const { code } = await convert({ convert: { ...wish, calibrate: { data, method: 'minmax' } }, to });
    expect(code).toBe(0);
    expect((await readFile(to)).byteLength).toBeLessThan(model.byteLength / 2);
    expect((await convert({ convert: wish })).said['message']).toBe('int8-static needs samples');
    await writeFile(data, '{"inputs": 7}');
    const refused = await convert({ convert: { ...wish, calibrate: { data, method: 'minmax' } } });
    expect(refused.said['message']).toContain('line 1');
  });
});
