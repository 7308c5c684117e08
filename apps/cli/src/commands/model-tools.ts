/** Tools on models: how good an endpoint's answers are, and how fast. */
import type { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { countOption, example, group, numberOption } from '../command-group.ts';
import { connect } from '../connection.ts';
import { exitCodes } from '../exit-codes.ts';
import { showOne } from '../output.ts';
import { benchEndpoint, type BenchOptions } from '../model-tools/bench-endpoint.ts';
import { evaluateEndpoint } from '../model-tools/evaluate-endpoint.ts';
import { recordEvaluation } from '../model-tools/record-evaluation.ts';
import { describeEvaluation, describeLoad, describeRecorded } from '../views/model-tools.ts';

export function modelToolCommands(program: Command): void {
  const model = group(program, 'model', 'Registered models');

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
