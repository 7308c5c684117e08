/**
 * Other formats and smaller weights. Into a file of this machine at once; else as a job of the platform, whose result
 * is a version that knows what it was made from.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  type CalibrationMethod,
  calibrationMethods,
  type ConvertTarget,
  convertTargets,
  type WeightType,
  weightTypes,
} from '@gantry/contract';
import { formatBytes } from '@gantry/kit';
import { type Command, Option } from 'commander';
import { CliError } from '../cli-error.ts';
import { countOption, example, group } from '../command-group.ts';
import { connect } from '../connection.ts';
import { memoryOf } from '../model-tools/conversion-memory.ts';
import { convertHere, type ConvertedModel, type ConvertWish } from '../model-tools/convert-here.ts';
import { showOne } from '../output.ts';
import { convertedLines } from '../views/converted.ts';
import { submitJob } from './job/submit-job.ts';

interface JobOptions {
  readonly register?: string;
  readonly queue: string;
  readonly memory?: string;
  readonly gpuModel?: string;
  readonly detach?: boolean;
}

type ForeignInput = NonNullable<NonNullable<ConvertWish['python']>['inputs']>[number];

interface ConvertOptions extends JobOptions {
  readonly python: string;
  readonly opset: number;
  readonly input?: ForeignInput[];
  readonly format?: ConvertTarget;
  readonly calibrate?: string;
  readonly method: CalibrationMethod;
  readonly program?: string[];
  readonly programArgs?: string[];
  readonly shape?: PlanShapes;
  readonly reuseCalibration?: string;
  readonly type?: WeightType;
}

interface QuantizeOptions extends JobOptions {
  readonly type: WeightType;
  readonly calibrate?: string;
  readonly method: CalibrationMethod;
}

const allTypes = [...new Set(Object.values(weightTypes).flat())];

export function modelConversionCommands(program: Command): void {
  const model = group(program, 'model', 'Registered models');

  example(
    withJobOptions(
      model
        .command('convert <from> [to]')
        .description('Another format of a model: a registered one, a file or a Hugging Face folder')
        .addOption(
          new Option('--format <FORMAT>', 'gguf unless the source is one').choices([...convertTargets]),
        )
        .addOption(new Option('--type <TYPE>', 'of the matrices').choices(allTypes))
        .option('--python <PATH>', 'reads PyTorch, TensorFlow and JAX models, behind walls', 'python3')
        .option('--opset <N>', 'of the ONNX file that comes of those', countOption, 18)
        .option(
          '--input <INPUT>',
          'what those take: x:batch,8 or ids:batch,length:INT64; again for each',
          inputOption,
        )
        .option('--program <WORD...>', 'of a TensorRT plan: what builds it (default: trtexec)')
        .option('--program-args <WORD...>', 'of a TensorRT plan: added to its command line')
        .option(
          '--shape <SHAPE>',
          'of a TensorRT plan: least, usual and largest sizes of an input: x:1x8:8x8:32x8; again for each',
          shapeOption,
        )
        .option('--calibrate <FILE>', 'of a TensorRT plan of int8: samples as rows (.jsonl)')
        .addOption(
          new Option('--method <METHOD>', 'how ranges follow from samples')
            .choices([...calibrationMethods])
            .default('entropy'),
        )
        .option('--reuse-calibration <REF>', 'of a TensorRT plan: take over that of another plan, if equal'),
    ),
    'gantry model convert llama@3 --format gguf --type F16',
    'gantry model convert ./llama-hf ./llama.gguf',
    'gantry model convert scorer.pt --input x:batch,8 --register scorer',
    'gantry model convert scorer --format tensorrt-plan --shape x:1x8:8x8:32x8 --gpu-model "NVIDIA H200" --register scorer-trt',
  ).action(async (from: string, to: string | undefined, options: ConvertOptions, command: Command) =>
    convert(
      command,
      isForeign(from)
        ? foreignWish(from, options)
        : options.format === 'tensorrt-plan'
          ? planWish(from, options)
          : wishOf(from, options),
      to,
      options,
    ),
  );

  example(
    withJobOptions(
      model
        .command('quantize <from> [to]')
        .description('Smaller weights of a GGUF or ONNX model, and what that cost each tensor')
        .addOption(new Option('--type <TYPE>', 'of the matrices').choices(allTypes).default('Q8_0'))
        .option('--calibrate <FILE>', 'samples as rows (.jsonl), for int8-static and int16-activations')
        .addOption(
          new Option('--method <METHOD>', 'how ranges follow from samples')
            .choices([...calibrationMethods])
            .default('entropy'),
        ),
    ),
    'gantry model quantize llama --type Q4_K',
    'gantry model quantize scorer.onnx scorer-int8.onnx --type int8',
    'gantry model quantize scorer --type int8-static --calibrate rows.jsonl',
  ).action(async (from: string, to: string | undefined, options: QuantizeOptions, command: Command) => {
    const { type, calibrate: data, method } = options;
    const wish = { ...sourceOf(from), type, ...(data === undefined ? {} : { calibrate: { data, method } }) };
    await convert(command, wish, to, options);
  });
}

const withJobOptions = (command: Command): Command =>
  command
    .option(
      '--register <NAME>',
      'as a job: the model that the result is a version of; the source unless given',
    )
    .option('--queue <NAME>', 'of the job', 'default')
    .option('--memory <SIZE>', 'of the job (default: 2GiB, or what the size of an ONNX model asks for)')
    .option('--gpu-model <MODEL>', 'of a TensorRT plan: the device that it is built on and for')
    .option('--detach', 'submit the job and return');

function wishOf(from: string, { format, type }: ConvertOptions): ConvertWish {
  const wanted = format ?? (from.endsWith('.gguf') ? 'safetensors' : 'gguf');
  return { ...sourceOf(from), format: wanted, ...(type === undefined ? {} : { type }) };
}

/** Files that run code when they are read. */
const isForeign = (from: string): boolean =>
  /\.(pt|pth|pt2|py|keras|h5)$/.test(from) || existsSync(join(from, 'saved_model.pb'));

/** Any format but ONNX is refused by the worker, which says that ONNX comes first. */
const foreignWish = (
  path: string,
  { python, opset, input = [], format = 'onnx' }: ConvertOptions,
): ConvertWish => ({
  path,
  format,
  python: { interpreter: python, opset, inputs: input },
});

type PlanShapes = NonNullable<NonNullable<ConvertWish['tensorrt']>['shapes']>;

const planWish = (from: string, options: ConvertOptions): ConvertWish => {
  const { type, calibrate: data, method, program, programArgs, shape, reuseCalibration: reuse } = options;
  return {
    ...sourceOf(from),
    format: 'tensorrt-plan',
    ...(type === undefined ? {} : { type }),
    ...(data === undefined ? {} : { calibrate: { data, method, ...(reuse === undefined ? {} : { reuse }) } }),
    tensorrt: {
      ...(program === undefined ? {} : { program }),
      ...(programArgs === undefined ? {} : { arguments: programArgs }),
      ...(shape === undefined ? {} : { shapes: shape }),
    },
  };
};

/** `x:1x8:8x8:32x8`: the schema says whether each part may be so. */
function shapeOption(text: string, before: PlanShapes = {}): PlanShapes {
  const [name = '', ...sizes] = text.split(':');
  const [least = [], usual = [], most = []] = sizes.map((each) => each.split('x').map(Number));
  return { ...before, [name]: { least, usual, most } };
}

/** `ids:batch,length:INT64`: the schema says whether each part may be so. */
function inputOption(text: string, before: ForeignInput[] = []): ForeignInput[] {
  const [name = '', sizes = '', datatype] = text.split(':');
  const shape = sizes.split(',').map((size) => (/^\d+$/.test(size) ? Number(size) : size));
  return [
    ...before,
    { name, shape, ...(datatype === undefined ? {} : { datatype: datatype as ForeignInput['datatype'] }) },
  ];
}

/** What lies on this machine under that name, or a registered model. */
const sourceOf = (from: string): Pick<ConvertWish, 'model' | 'path'> =>
  existsSync(from) || /[/.]/.test(from) ? { path: from } : { model: from };

async function convert(
  command: Command,
  wish: ConvertWish,
  to: string | undefined,
  { register = wish.model?.split('@')[0], queue, memory, gpuModel, detach }: JobOptions,
): Promise<void> {
  if (to !== undefined) {
    if (wish.path === undefined)
      throw new CliError('not_found', `there is no file ${wish.model}`, {
        hint: 'a registered model is converted by a job: leave the target out',
      });
    const made = await convertHere(wish, to);
    showOne(command, { from: wish.path, to, ...made }, () => describe(to, made));
    return;
  }
  if (register === undefined)
    throw new CliError('bad_request', 'the result needs a place', {
      hint: 'name a file for it, or the model that it becomes a version of: --register NAME',
    });
  await submitJob(
    command,
    {
      workdir: process.cwd(),
      queue,
      convert: wish,
      register,
      resources: {
        memory: memory ?? (await memoryOf(connect(command).client, wish)),
        ...(wish.format === 'tensorrt-plan' ? { gpu: 1 } : {}),
        ...(gpuModel === undefined ? {} : { gpuModel }),
      },
    },
    { isFollowed: detach !== true, onSucceeded: async (job) => convertedLines(job) },
  );
}

function describe(to: string, { bytesBefore, bytesAfter, cleanUps, tensors }: ConvertedModel): string {
  const [worst] = tensors.toSorted((one, other) => other.relativeError - one.relativeError);
  const cost =
    worst === undefined
      ? ''
      : `   worst tensor ${worst.name}: ${(worst.relativeError * 100).toFixed(2)} % off`;
  const simpler = cleanUps.map(({ what, count }) => `${count} × ${what}`).join(', ');
  return [
    `  ✓ ${to}   ${formatBytes(bytesBefore)} → ${formatBytes(bytesAfter)}${cost}`,
    ...(simpler === '' ? [] : [`    simpler: ${simpler}`]),
  ].join('\n');
}
