/**
 * How good a model is on held-out data. A version (`name@2`) is measured by a job of the platform, whose numbers its
 * gate believes; an endpoint by its clients' way in, whatever engine is behind it.
 */
import type { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { countOption, example, group } from '../command-group.ts';
import { connect } from '../connection.ts';
import { exitCodes } from '../exit-codes.ts';
import { evaluateEndpoint } from '../model-tools/evaluate-endpoint.ts';
import { recordEvaluation } from '../model-tools/record-evaluation.ts';
import { showOne } from '../output.ts';
import { describeEvaluation, describeGate, describeRecorded } from '../views/model-tools.ts';
import { submitJob } from './job/submit-job.ts';

interface EvaluateOptions {
  readonly data: string;
  readonly against?: string;
  readonly through?: string;
  readonly againstThrough?: string;
  readonly characters: number;
  readonly window: number;
  readonly places: number;
  readonly record: boolean;
  readonly queue: string;
  readonly memory: string;
  readonly detach?: boolean;
}

export function modelEvaluationCommand(program: Command): void {
  const model = group(program, 'model', 'Registered models');

  example(
    model
      .command('evaluate <version-or-endpoint>')
      .description('Perplexity or accuracy on held-out data, and whether it may take the place of its source')
      .requiredOption('--data <FILE>', 'text that neither was trained on; .jsonl: rows for a tensor model')
      .option('--against <NAME>', 'what it must agree with; of a version what it was made from unless given')
      .option(
        '--through <ENDPOINT>',
        'of a version: ask the endpoint that serves it, whatever engine that has',
      )
      .option('--against-through <ENDPOINT>', 'likewise for what it must agree with')
      .option('--characters <N>', 'of the text', countOption, 50_000)
      .option('--window <N>', 'characters that are scored together', countOption, 800)
      .option('--places <N>', 'of the text, where a server does not score prompts', countOption, 256)
      .option('--no-record', 'of an endpoint: do not keep it with the version')
      .option('--queue <NAME>', 'of the job that measures a version', 'default')
      .option('--memory <SIZE>', 'of that job', '2GiB')
      .option('--detach', 'submit that job and return'),
    'gantry model evaluate llama@2 --data held-out.txt',
    'gantry model evaluate small --against full --data held-out.txt',
    'gantry model evaluate scorer@3 --data rows.jsonl',
    'gantry model evaluate scorer-trt@1 --through trt --data rows.jsonl',
  ).action(async (name: string, options: EvaluateOptions, command: Command) =>
    name.includes('@') ? evaluateVersion(name, options, command) : measureEndpoint(name, options, command),
  );
}

async function evaluateVersion(
  name: string,
  { queue, memory, detach, record: _record, ...wish }: EvaluateOptions,
  command: Command,
): Promise<void> {
  const evaluate = { model: name, ...wish };
  const spec = { workdir: process.cwd(), queue, evaluate, resources: { memory } };
  await submitJob(command, spec, {
    isFollowed: detach !== true,
    onSucceeded: async ({ spec: ran }, client) => {
      const { model } = (ran as { readonly evaluate: { readonly model: string } }).evaluate;
      const [found = '', number] = model.split('@');
      const { items } = await client.call('models.versions', { params: { name: found } });
      const version = items.find((each) => String(each.number) === number);
      if (version === undefined) return [];
      if (version.gate.state === 'failed') process.exitCode = exitCodes.refused;
      return [describeGate({ version: model, ...version })];
    },
  });
}

async function measureEndpoint(endpoint: string, options: EvaluateOptions, command: Command): Promise<void> {
  if (options.through !== undefined)
    throw new CliError('bad_request', '--through is for a version, like scorer@2', {
      hint: `an endpoint is asked anyway: gantry model evaluate ${options.through} --data ${options.data}`,
    });
  const { url, key, client } = connect(command);
  const found = await evaluateEndpoint({ url, key }, { endpoint, ...options });
  const kept = options.record ? await recordEvaluation(client, found) : undefined;
  showOne(command, { ...found, ...kept }, () =>
    [describeEvaluation(found), ...(kept === undefined ? [] : [describeRecorded(kept)])].join('\n'),
  );
  if (found.failures.length > 0) process.exitCode = exitCodes.refused;
}
