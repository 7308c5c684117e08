/** Plans built by a program that speaks trtexec's flags, on a device that a program of nvidia-smi's name tells of. */
import { chmod, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { denseModel } from '../../testing/dense-model.ts';
import { runConversion } from '../run-conversion.ts';
import { toCalibrationCache } from './calibration-cache.ts';
import { versionOf } from './plan-tools.ts';
import { toTritonConfig } from './triton-repository.ts';

let folder: string;

/** Writes what it was asked to build, with the calibration it read, in place of a plan. */
const trtexec = `#!${process.execPath}
const { readFileSync, writeFileSync } = require('node:fs');
const flags = Object.fromEntries(process.argv.slice(2).map((each) => each.replace(/^--/, '').split('=')));
console.log('&&&& RUNNING TensorRT.trtexec [TensorRT v100300] # trtexec');
if ('help' in flags) process.exit(0);
if ('refuse' in flags) { console.error('[E] Error[4]: no converter for NonZero'); process.exit(1); }
readFileSync(flags.onnx);
const calibration = flags.calib === undefined ? undefined : readFileSync(flags.calib, 'utf8');
writeFileSync(flags.saveEngine, JSON.stringify({ ...flags, calibration }));`;
const nvidiaSmi = `#!/bin/sh\necho "NVIDIA H200, 9.0"`;

beforeAll(async () => {
  for (const stream of [process.stdout, process.stderr]) vi.spyOn(stream, 'write').mockReturnValue(true);
  folder = await mkdtemp(join(tmpdir(), 'gantry-plan-'));
  for (const [name, text] of Object.entries({ trtexec, 'nvidia-smi': nvidiaSmi })) {
    await writeFile(join(folder, name), text);
    await chmod(join(folder, name), 0o755);
  }
  await writeFile(join(folder, 'scorer.onnx'), denseModel());
});
afterAll(async () => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

async function build(convert: object, models: object = {}): Promise<Record<string, unknown>> {
  vi.stubEnv('PATH', `${folder}${delimiter}${process.env['PATH'] ?? ''}`);
  const [specFile, reportFile, runDir] = ['spec.json', 'report.jsonl', 'run'].map((name) =>
    join(folder, name),
  );
  const wish = { model: 'scorer@1', format: 'tensorrt-plan', ...convert };
  await writeFile(
    specFile ?? '',
    JSON.stringify({ convert: wish, models: { 'scorer@1': join(folder, 'scorer.onnx'), ...models } }),
  );
  await rm(reportFile ?? '', { force: true });
  await rm(runDir ?? '', { recursive: true, force: true });
  const code = await runConversion({
    GANTRY_SPEC_FILE: specFile,
    GANTRY_REPORT_FILE: reportFile,
    GANTRY_RUN_DIR: runDir,
  });
  const lines = (await readFile(reportFile ?? '', 'utf8')).trim().split('\n');
  return { exit: code, ...(JSON.parse(lines.at(-1) ?? '{}') as object) };
}
const made = (name: string): Promise<string> => readFile(join(folder, 'run/export', name), 'utf8');
const shapes = { x: { least: [1, 64], usual: [8, 64], most: [32, 64] } };
const tensorrt = { program: ['trtexec'], arguments: ['--builderOptimizationLevel=5'], shapes };

describe('a TensorRT plan', () => {
  it('is built for its shapes and laid out as Triton wants it, tied to device and version', async () => {
    const said = await build({ tensorrt });
    expect(said).toMatchObject({
      exit: 0,
      formats: ['tensorrt-plan'],
      lineage: {
        plan: { device: 'NVIDIA H200', computeCapability: '9.0', tensorrt: '10.3.0', precision: 'F16' },
      },
    });
    expect(JSON.parse(await made('scorer/1/model.plan'))).toMatchObject({
      minShapes: 'x:1x64',
      optShapes: 'x:8x64',
      maxShapes: 'x:32x64',
      builderOptimizationLevel: '5',
    });
    const config = await made('scorer/config.pbtxt');
    expect(config).toContain('platform: "tensorrt_plan"\nmax_batch_size: 32\n');
    expect(config).toContain('name: "x"\n    data_type: TYPE_FP32\n    dims: [ 64 ]');
  });

  it('of int8 is calibrated on samples, and takes an equal calibration over', async () => {
    const data = join(folder, 'samples.jsonl');
    const row = (value: number) =>
      JSON.stringify({
        inputs: [
          { name: 'x', datatype: 'FP32', shape: [1, 64], data: Array.from({ length: 64 }, () => value) },
        ],
      });
    await writeFile(data, [-2, 0.5, 1].map(row).join('\n'));
    const calibrate = { data, method: 'minmax' };
    const first = await build({ type: 'int8', calibrate, tensorrt });
    expect(first).toMatchObject({ exit: 0, lineage: { tool: 'calibrate, build tensorrt plan int8' } });
    const cache = await made('calibration.cache');
    expect(cache).toBe(toCalibrationCache(new Map([['x', { low: -2, high: 1 }]]), '100300'));
    expect((JSON.parse(await made('scorer/1/model.plan')) as { calibration: string }).calibration).toBe(
      cache,
    );

    // The earlier plan's folder, as the platform lays out a version. What it holds is used, so it is marked here.
    const before = join(folder, 'before');
    await rm(before, { recursive: true, force: true });
    await cp(join(folder, 'run/export'), before, { recursive: true });
    await writeFile(join(before, 'calibration.cache'), `${cache}mark: 00000000\n`);
    const models = { 'scorer-trt@1': before };
    const reusing = { ...calibrate, reuse: 'scorer-trt@1' };
    const again = await build({ type: 'int8', calibrate: reusing, tensorrt }, models);
    expect(again['lineage']).toMatchObject({ tool: 'calibration taken over, build tensorrt plan int8' });
    expect(await made('calibration.cache')).toContain('mark');

    await writeFile(data, [-4, 0.5, 1].map(row).join('\n'));
    const other = await build({ type: 'int8', calibrate: reusing, tensorrt }, models);
    expect(other['lineage']).toMatchObject({ tool: 'calibrate, build tensorrt plan int8' });
    expect(await made('calibration.cache')).not.toContain('mark');
  });

  it.each([
    ['sizes that vary and are not given', {}, 'needs its smallest, usual and largest'],
    ['int8 without samples', { type: 'int8', tensorrt }, 'needs samples'],
    [
      'a program that is not there',
      { tensorrt: { ...tensorrt, program: ['/nowhere/trtexec'] } },
      'cannot be started',
    ],
    [
      'a model that the program refuses',
      { tensorrt: { ...tensorrt, arguments: ['--refuse'] } },
      'ended with 1: [E] Error[4]: no converter for NonZero',
    ],
    [
      'a program that says no version',
      { tensorrt: { ...tensorrt, program: ['true'] } },
      'which TensorRT it is',
    ],
  ])('is refused for %s, with what to do', async (_why, convert, message) => {
    expect(await build(convert)).toMatchObject({
      exit: 64,
      type: 'fault',
      message: expect.stringContaining(message),
      hint: expect.any(String),
    });
  });
});

describe('what TensorRT and Triton read', () => {
  it('versions of two kinds', () => {
    expect([8601, 8205, 100_300, 101_402].map(versionOf)).toEqual(['8.6.1', '8.2.5', '10.3.0', '10.14.2']);
  });

  it('steps as big-endian digits of a float32', () => {
    // 127 / 127 = 1 = 0x3f800000; 0.5 / 127.
    const ranges = new Map([
      ['a', { low: -127, high: 3 }],
      ['b', { low: 0, high: 63.5 }],
    ]);
    expect(toCalibrationCache(ranges, '8601')).toBe(
      'TRT-8601-EntropyCalibration2\na: 3f800000\nb: 3f000000\n',
    );
  });

  it('a model without a batch has none, whatever its shapes', () => {
    const fixed = { name: 'x', elementType: 7, shape: [4, 'length'] };
    const config = toTritonConfig(
      'm',
      { inputs: [fixed], outputs: [{ ...fixed, name: 'y', shape: [4] }] },
      32,
    );
    expect(config).toContain('max_batch_size: 0\n');
    expect(config).toContain('data_type: TYPE_INT64\n    dims: [ 4, -1 ]');
    expect(config).not.toContain('dynamic_batching');
  });
});
