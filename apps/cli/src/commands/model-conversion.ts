/**
 * Other formats and smaller weights. Into a file of this machine at once; else as a job of the platform, whose result
 * is a version that knows what it was made from.
 */
import { existsSync } from 'node:fs';
import { type ModelFormat, modelFormats, rangeMethods, type WeightType, weightTypes } from '@gantry/contract';
import { formatBytes } from '@gantry/kit';
import { type Command, Option } from 'commander';
import { CliError } from '../cli-error.ts';
import { example, group } from '../command-group.ts';
import { convertHere, type ConvertedModel, type ConvertWish } from '../model-tools/convert-here.ts';
import { showOne } from '../output.ts';
import { convertedLines } from '../views/converted.ts';
import { submitJob } from './job/submit-job.ts';

interface JobOptions {
  readonly register?: string;
  readonly queue: string;
  readonly memory: string;
  readonly detach?: boolean;
}

interface ConvertOptions extends JobOptions {
  readonly format?: ModelFormat;
  readonly type?: WeightType;
}

interface QuantizeOptions extends JobOptions {
  readonly type: WeightType;
  readonly calibrate?: string;
  readonly method: (typeof rangeMethods)[number];
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
          new Option('--format <FORMAT>', 'gguf unless the source is one').choices([...modelFormats]),
        )
        .addOption(new Option('--type <TYPE>', 'of the matrices').choices(allTypes)),
    ),
    'gantry model convert llama@3 --format gguf --type F16',
    'gantry model convert ./llama-hf ./llama.gguf',
  ).action(async (from: string, to: string | undefined, options: ConvertOptions, command: Command) => {
    const { format = from.endsWith('.gguf') ? 'safetensors' : 'gguf', type } = options;
    await convert(
      command,
      { ...sourceOf(from), format, ...(type === undefined ? {} : { type }) },
      to,
      options,
    );
  });

  example(
    withJobOptions(
      model
        .command('quantize <from> [to]')
        .description('Smaller weights of a GGUF or ONNX model, and what that cost each tensor')
        .addOption(new Option('--type <TYPE>', 'of the matrices').choices(allTypes).default('Q8_0'))
        .option('--calibrate <FILE>', 'samples as rows (.jsonl), for int8-static and int16-activations')
        .addOption(
          new Option('--method <METHOD>', 'how ranges follow from samples')
            .choices([...rangeMethods])
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
    .option('--memory <BYTES>', 'of the job', '2GiB')
    .option('--detach', 'submit the job and return');

/** What lies on this machine under that name, or a registered model. */
const sourceOf = (from: string): Pick<ConvertWish, 'model' | 'path'> =>
  existsSync(from) || /[/.]/.test(from) ? { path: from } : { model: from };

async function convert(
  command: Command,
  wish: ConvertWish,
  to: string | undefined,
  { register = wish.model?.split('@')[0], queue, memory, detach }: JobOptions,
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
    { workdir: process.cwd(), queue, convert: wish, register, resources: { memory } },
    { isFollowed: detach !== true, onSucceeded: async (job) => convertedLines(job) },
  );
}

function describe(to: string, { bytesBefore, bytesAfter, tensors }: ConvertedModel): string {
  const [worst] = tensors.toSorted((one, other) => other.relativeError - one.relativeError);
  const cost =
    worst === undefined
      ? ''
      : `   worst tensor ${worst.name}: ${(worst.relativeError * 100).toFixed(2)} % off`;
  return `  ✓ ${to}   ${formatBytes(bytesBefore)} → ${formatBytes(bytesAfter)}${cost}`;
}
