/** Tools on models: other formats, smaller weights, how good an endpoint's answers are, and how fast. */
import { createHash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { type CalibrationMethod, calibrationMethods } from '@gantry/conversion';
import { formatBytes } from '@gantry/kit';
import { CliError } from '../cli-error.ts';
import { countOption, example, group, numberOption } from '../command-group.ts';
import { connect } from '../connection.ts';
import { exitCodes } from '../exit-codes.ts';
import { showOne } from '../output.ts';
import { benchEndpoint, type BenchOptions } from '../model-tools/bench-endpoint.ts';
import { convertModel } from '../model-tools/convert-model.ts';
import { evaluateEndpoint } from '../model-tools/evaluate-endpoint.ts';
import {
  quantiseModel,
  smallerTypes,
  type SmallerModel,
  type SmallerType,
} from '../model-tools/quantise-model.ts';
import { recordEvaluation } from '../model-tools/record-evaluation.ts';
import { describeEvaluation, describeLoad, describeRecorded } from '../views/model-tools.ts';

export function modelToolCommands(program: Command): void {
  const model = group(program, 'model', 'Registered models');

  example(
    model
      .command('convert <from> <to>')
      .description('Hugging Face folder → GGUF file, or GGUF file → Hugging Face folder')
      .addOption(
        new Option('--type <TYPE>', 'of the matrices').choices(['F32', 'F16', 'BF16']).default('F16'),
      )
      .option('--import <NAME>', 'register the result under that name'),
    'gantry model convert ./llama-hf ./llama.gguf --type F16',
  ).action(
    async (
      from: string,
      to: string,
      options: { type: 'F32' | 'F16' | 'BF16'; import?: string },
      command: Command,
    ) => {
      const made = await convertModel(from, to, options.type);
      await importAs(command, options.import, to, { from, tool: `convert ${options.type}` });
      showOne(command, made, () => `  ✓ ${to}   ${formatBytes(made.bytes)}${importedLine(options.import)}`);
    },
  );

  example(
    model
      .command('quantize <from> <to>')
      .description('A GGUF or ONNX file with smaller weights, and what that cost each tensor')
      .addOption(new Option('--type <TYPE>', 'of the matrices').choices(smallerTypes).default('Q8_0'))
      .option('--calibrate <FILE>', 'samples as rows (.jsonl), for int8-static and int16-activations')
      .addOption(
        new Option('--method <METHOD>', 'how ranges follow from samples')
          .choices(calibrationMethods)
          .default('entropy'),
      )
      .option('--import <NAME>', 'register the result under that name'),
    'gantry model quantize llama.gguf llama-q8.gguf --type Q8_0 --import llama',
    'gantry model quantize scorer.onnx scorer-int8.onnx --type int8',
    'gantry model quantize scorer.onnx small.onnx --type int8-static --calibrate rows.jsonl',
  ).action(async (from: string, to: string, options: QuantizeOptions, command: Command) => {
    const { calibrate: data, method } = options;
    const calibration = data === undefined ? undefined : { data, method };
    const made = await quantiseModel(from, to, options.type, calibration);
    await importAs(command, options.import, to, { from, tool: `quantize ${options.type}` });
    showOne(
      command,
      made,
      () =>
        `  ✓ ${to}   ${formatBytes(made.bytesBefore)} → ${formatBytes(made.bytesAfter)}${worstOf(made)}${importedLine(options.import)}\n  check it: gantry model evaluate ENDPOINT --against ENDPOINT --data held-out.txt`,
    );
  });

  example(
    model
      .command('evaluate <endpoint>')
      .description('Perplexity on held-out text; against another endpoint, whether it may take its place')
      .requiredOption('--data <FILE>', 'text that neither was trained on; .jsonl: rows for a tensor model')
      .option('--against <ENDPOINT>', 'the source that it must agree with')
      .option('--characters <N>', 'of the text', countOption, 50_000)
      .option('--window <N>', 'characters that are scored together', countOption, 800)
      .option('--no-record', 'do not keep it with the version'),
    'gantry model evaluate small --against full --data held-out.txt',
    'gantry model evaluate scorer-int8 --against scorer --data rows.jsonl',
  ).action(
    async (
      endpoint: string,
      options: { data: string; against?: string; characters: number; window: number; record: boolean },
      command: Command,
    ) => {
      const { url, key, client } = connect(command);
      const found = await evaluateEndpoint({ url, key }, { endpoint, ...options });
      const kept = options.record ? await recordEvaluation(client, found) : undefined;
      showOne(command, { ...found, ...kept }, () =>
        [describeEvaluation(found), ...(kept === undefined ? [] : [describeRecorded(kept)])].join('\n'),
      );
      if (found.failures.length > 0) process.exitCode = exitCodes.refused;
    },
  );

  example(
    model
      .command('bench <endpoint>')
      .description('Load on an endpoint: first token, gaps, goodput')
      .option('--requests <N>', 'how many', countOption, 100)
      .option('--clients <N>', 'closed loop: each sends, waits, sends again', countOption)
      .option('--rate <N>', 'open loop: so many a second, Poisson', numberOption)
      .option('--trace <FILE>', 'open loop: a Mooncake .jsonl or an Azure .csv')
      .option('--speed <N>', 'of the trace', numberOption, 1)
      .option('--lengths <N>', 'of the trace, times this', numberOption, 1)
      .option('--prompt-tokens <N>', 'about so many', countOption, 64)
      .option('--answer-tokens <N>', 'exactly so many', countOption, 32)
      .option('--ttft-ms <N>', 'first token within, to count as good', numberOption, 1_000)
      .option('--itl-ms <N>', 'mean gap within, to count as good', numberOption, 100)
      .option('--seed <N>', 'of lengths and times', countOption, 1),
    'gantry model bench chat --clients 8',
    'gantry model bench chat --trace conversation_trace.jsonl --requests 200 --speed 10 --lengths 0.02',
  ).action(async (endpoint: string, options: BenchOptions, command: Command) => {
    if ([options.clients, options.rate, options.trace].filter((each) => each !== undefined).length > 1)
      throw new CliError('bad_request', '--clients, --rate and --trace exclude each other', {
        hint: 'a closed loop has clients; an open one a rate or a trace',
      });
    const { url, key } = connect(command);
    const report = await benchEndpoint({ url, key, model: endpoint }, options);
    showOne(command, report, () => describeLoad(report));
    if (Object.keys(report.failures).length > 0) process.exitCode = exitCodes.refused;
  });
}

interface QuantizeOptions {
  readonly type: SmallerType;
  readonly calibrate?: string;
  readonly method: CalibrationMethod;
  readonly import?: string;
}

/** With what it was made from: the platform finds the version by the digest of its file. */
async function importAs(
  command: Command,
  name: string | undefined,
  path: string,
  { from, tool }: { readonly from: string; readonly tool: string },
): Promise<void> {
  if (name === undefined) return;
  const file = [from, join(from, 'model.safetensors')].find(
    (each) => statSync(each, { throwIfNoEntry: false })?.isFile() === true,
  );
  const source = { tool, ...(file === undefined ? {} : { digest: await digestOf(file) }) };
  await connect(command).client.call('models.import', { body: { name, path: resolve(path), source } });
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return `sha256:${hash.digest('hex')}`;
}

const importedLine = (name: string | undefined): string =>
  name === undefined ? '' : `   registered as ${name}`;

function worstOf({ tensors }: SmallerModel): string {
  const [worst] = tensors.toSorted((one, other) => other.relativeError - one.relativeError);
  return worst === undefined
    ? ''
    : `   worst tensor ${worst.name}: ${(worst.relativeError * 100).toFixed(2)} % off`;
}
