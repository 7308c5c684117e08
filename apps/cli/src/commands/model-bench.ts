/** Load on an endpoint: how fast its answers are. */
import type { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { countOption, example, group, numberOption } from '../command-group.ts';
import { connect } from '../connection.ts';
import { exitCodes } from '../exit-codes.ts';
import { firstInterrupt } from '../first-interrupt.ts';
import { showOne } from '../output.ts';
import { benchEndpoint, type BenchOptions } from '../model-tools/bench-endpoint.ts';
import { describeLoad } from '../views/model-tools.ts';

export function modelBenchCommand(program: Command): void {
  const model = group(program, 'model', 'Registered models');

  example(
    model
      .command('bench <endpoint>')
      .description('Load on an endpoint: first token, gaps, goodput; Ctrl-C reports what came so far')
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
      .option('--seed <N>', 'of lengths and times', countOption, 1)
      .option(
        '--html <FILE>',
        'also a page with pictures: latency over time, tokens, how latencies are spread',
      ),
    'gantry model bench chat --clients 8',
    'gantry model bench chat --trace conversation_trace.jsonl --requests 200 --speed 10 --lengths 0.02',
  ).action(async (endpoint: string, options: BenchOptions, command: Command) => {
    if ([options.clients, options.rate, options.trace].filter((each) => each !== undefined).length > 1)
      throw new CliError('bad_request', '--clients, --rate and --trace exclude each other', {
        hint: 'a closed loop has clients; an open one a rate or a trace',
      });
    const { url, key } = connect(command);
    using interrupt = firstInterrupt();
    const report = await benchEndpoint({ url, key, model: endpoint }, options, {
      signal: interrupt.signal,
      onAnswer: tellProgress(),
    });
    showOne(command, report, () =>
      [describeLoad(report), ...(options.html === undefined ? [] : [`  pictures: ${options.html}`])].join(
        '\n',
      ),
    );
    if (Object.keys(report.failures).length > 0) process.exitCode = exitCodes.refused;
    if (report.unanswered > 0) process.exitCode = exitCodes.interrupted;
  });
}

const tellEveryMs = 2_000;

/** How far a long run is, on stderr, for people who watch it. */
function tellProgress(): (answers: readonly { readonly failure: string | undefined }[], all: number) => void {
  if (!process.stderr.isTTY) return () => undefined;
  let toldMs = performance.now();
  return (answers, all) => {
    if (performance.now() - toldMs < tellEveryMs) return;
    toldMs = performance.now();
    const failed = answers.filter(({ failure }) => failure !== undefined).length;
    process.stderr.write(`  ${answers.length} of ${all}${failed === 0 ? '' : `   ${failed} failed`}\n`);
  };
}
