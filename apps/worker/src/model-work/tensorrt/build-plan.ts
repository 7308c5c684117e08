/**
 * An ONNX model as a TensorRT plan: built by a program of the user's on the device that it is for, laid out as a Triton
 * model repository, with the facts that tie it to that kind of device and to that version of TensorRT.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { ConvertSpec } from '@gantry/contract';
import { calibrateFile } from '@gantry/engines/calibration';
import { readOnnxSignature } from '@gantry/formats/onnx';
import type { Converted } from '../convert-source.ts';
import type { ModelSource } from '../model-source.ts';
import { WorkError } from '../work-error.ts';
import { calibrationDigest, digestOf, knownCache, toCalibrationCache } from './calibration-cache.ts';
import { buildDevice, runBuild, tensorRtOf, type TensorRt } from './plan-tools.ts';
import { toTritonConfig } from './triton-repository.ts';

export interface BuiltPlan extends Converted {
  readonly type: string;
  /** What the plan is tied to, for its lineage. */
  readonly plan: object;
  readonly versions: Readonly<Record<string, string>>;
}

const precisionFlags: Readonly<Record<string, readonly string[]>> = {
  F32: [],
  F16: ['--fp16'],
  BF16: ['--bf16'],
  // Layers that gain nothing from eight bits may keep sixteen.
  int8: ['--int8', '--fp16'],
  fp8: ['--fp8', '--fp16'],
};

interface Calibration {
  readonly digest: string;
  readonly cache: string;
  readonly isKnown: boolean;
}

/** `models`: folders of registered versions, by `name@3`. */
export async function buildPlan(
  { path, places }: ModelSource,
  convert: ConvertSpec,
  models: Readonly<Record<string, string>>,
): Promise<BuiltPlan> {
  const { onnx } = places;
  if (onnx === undefined)
    throw new WorkError(
      'not_possible',
      `${path} holds no ONNX file`,
      'a plan is built from ONNX: gantry model convert --format onnx',
    );
  const { tensorrt, type = 'F16' } = convert;
  const {
    program,
    arguments: more,
    shapes,
  } = tensorrt ?? { program: ['trtexec'], arguments: [], shapes: {} };
  const bytes = await readFile(onnx);
  const signature = readOnnxSignature(bytes);
  const wanted = shapeFlags(signature, shapes);
  const device = await buildDevice(process.env['CUDA_VISIBLE_DEVICES']);
  const tensorRt = await tensorRtOf(program);
  const scratch = await mkdtemp(join(process.env['GANTRY_WORKER_DIR'] ?? tmpdir(), 'plan-'));
  try {
    const calibration = await calibrationOf(onnx, convert, models, tensorRt);
    const cacheFile = join(scratch, 'calibration.cache');
    if (calibration !== undefined) await writeFile(cacheFile, calibration.cache);
    const planFile = join(scratch, 'model.plan');
    await runBuild([
      ...program,
      `--onnx=${onnx}`,
      `--saveEngine=${planFile}`,
      ...(precisionFlags[type] ?? []),
      ...(calibration === undefined ? [] : [`--calib=${cacheFile}`]),
      ...wanted,
      '--skipInference',
      ...more,
    ]);
    const built = await readFile(planFile).catch(() => undefined);
    if (built === undefined || built.length === 0)
      throw new WorkError('data_invalid', `${program[0]} said it was done and left no plan`);
    const name = basename(convert.model?.split('@')[0] ?? basename(onnx, '.onnx'));
    const maxBatch = Math.max(1, ...Object.values(shapes).map(({ most }) => most[0] ?? 1));
    const plan = {
      device: device.model,
      computeCapability: device.computeCapability,
      tensorrt: tensorRt.version,
      precision: type,
      source: `sha256:${await digestOf(onnx)}`,
      ...(calibration === undefined ? {} : { calibration: { digest: calibration.digest } }),
    };
    return {
      type,
      plan,
      versions: { tensorrt: tensorRt.version },
      files: [
        { name: `${name}/1/model.plan`, bytes: built },
        { name: `${name}/config.pbtxt`, bytes: toTritonConfig(name, signature, maxBatch) },
        { name: 'plan.json', bytes: `${JSON.stringify(plan, null, 2)}\n` },
        ...(calibration === undefined ? [] : [{ name: 'calibration.cache', bytes: calibration.cache }]),
      ],
      steps: [
        ...(calibration === undefined ? [] : [calibration.isKnown ? 'calibration taken over' : 'calibrate']),
        `build tensorrt plan ${type}`,
      ],
      bytesBefore: bytes.length,
      tensors: [],
    };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function calibrationOf(
  modelPath: string,
  { calibrate, type }: ConvertSpec,
  models: Readonly<Record<string, string>>,
  { number }: TensorRt,
): Promise<Calibration | undefined> {
  if (type !== 'int8') return undefined;
  if (calibrate === undefined)
    throw new WorkError('data_missing', 'a plan of int8 needs samples', 'calibrate: {data: rows.jsonl}');
  const { data, method, reuse } = calibrate;
  const digest = await calibrationDigest(modelPath, data, method);
  const known = reuse === undefined ? undefined : await knownCache(models[reuse] ?? '', digest);
  if (known !== undefined) return { digest, cache: known, isKnown: true };
  if (reuse !== undefined)
    process.stderr.write(`the calibration of ${reuse} is of another model, samples or method: made anew\n`);
  const ranges = await calibrateFile({ modelPath, dataPath: data, method });
  return { digest, cache: toCalibrationCache(ranges, number), isKnown: false };
}

type Shapes = NonNullable<ConvertSpec['tensorrt']>['shapes'];

/** Every input with a size of each run's own needs its smallest, usual and largest. */
function shapeFlags({ inputs }: ReturnType<typeof readOnnxSignature>, shapes: Shapes): readonly string[] {
  const varying = inputs.filter(({ shape }) => shape.some((size) => typeof size === 'string'));
  for (const { name, shape } of varying) {
    const given = shapes[name];
    const fits = (sizes: readonly number[]): boolean =>
      sizes.length === shape.length &&
      shape.every((size, at) => typeof size === 'string' || size === sizes[at]);
    if (given !== undefined && [given.least, given.usual, given.most].every(fits)) continue;
    throw new WorkError(
      'data_invalid',
      `the input ${name} of sizes ${shape.join('×')} needs its smallest, usual and largest`,
      `--shape ${name}:1x…:8x…:32x…, each with ${shape.length} sizes`,
    );
  }
  if (varying.length === 0) return [];
  const flag = (which: keyof Shapes[string]): string =>
    varying.map(({ name }) => `${name}:${shapes[name]?.[which].join('x') ?? ''}`).join(',');
  return [`--minShapes=${flag('least')}`, `--optShapes=${flag('usual')}`, `--maxShapes=${flag('most')}`];
}
