/** What a version must have shown before it may take traffic. */
import type { ModelGate } from '@gantry/contract';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { example, group, numberOption } from '../command-group.ts';
import { connect } from '../connection.ts';
import { showOne } from '../output.ts';

type Bounds = NonNullable<ModelGate['metrics']>;

export function modelGateCommands(program: Command): void {
  const model = group(program, 'model', 'Registered models');
  example(
    model
      .command('gate <name>')
      .description('Say what a version must have shown before it may take traffic')
      .addOption(
        new Option('--require <WHICH>', 'versions: made from another, every one, or none')
          .choices(['derived', 'always', 'never'])
          .default('derived'),
      )
      .addOption(
        new Option('--evidence <WHOSE>', 'numbers count: of evaluations that ran as jobs, or also of clients')
          .choices(['measured', 'reported'])
          .default('measured'),
      )
      .option('--max-kl <N>', 'divergence from its source, in nats', numberOption)
      .option('--min-agreement <N>', 'share of equal likeliest tokens or classes', numberOption)
      .option('--max-perplexity-ratio <N>', 'its perplexity over its source’s', numberOption)
      .option('--metric <BOUND>', 'accuracy>=0.9, loss<=2.5; may be repeated', boundOption),
    'gantry model gate quickstart --max-kl 0.01',
    'gantry model gate scorer --require always --metric "accuracy>=0.95"',
  ).action(async (name: string, options: GateOptions, command: Command) => {
    const found = await connect(command).client.call('models.gate', {
      params: { name },
      body: {
        required: options.require,
        evidence: options.evidence,
        ...(options.maxKl === undefined ? {} : { maximumKl: options.maxKl }),
        ...(options.minAgreement === undefined ? {} : { minimumTopAgreement: options.minAgreement }),
        ...(options.maxPerplexityRatio === undefined
          ? {}
          : { maximumPerplexityRatio: options.maxPerplexityRatio }),
        ...(options.metric === undefined ? {} : { metrics: options.metric }),
      },
    });
    showOne(command, found, () => `  ✓ gate of ${name}: ${options.require}`);
  });
}

interface GateOptions {
  readonly require: ModelGate['required'];
  readonly evidence: NonNullable<ModelGate['evidence']>;
  readonly maxKl?: number;
  readonly minAgreement?: number;
  readonly maxPerplexityRatio?: number;
  readonly metric?: Bounds;
}

export function boundOption(text: string, before: Bounds = {}): Bounds {
  const [, name, sign, value] = /^\s*([^<>=\s]+)\s*(>=|<=)\s*(\S+)\s*$/.exec(text) ?? [];
  if (name === undefined || value === undefined)
    throw new InvalidArgumentError('Write it as name>=number or name<=number.');
  const bound = sign === '>=' ? { minimum: numberOption(value) } : { maximum: numberOption(value) };
  return { ...before, [name]: { ...before[name], ...bound } };
}
