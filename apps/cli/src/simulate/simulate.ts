/** `gantry simulate`: runs what was asked for and tells it as a table, as JSON, or as a page. */
import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { isJson, print } from '../output.ts';
import { openbText, simulateOpenb } from './openb.ts';
import { needed } from './read-trace.ts';
import { gavel } from './gavel.ts';
import { pollux } from './pollux.ts';
import { type Experiment, replaysText, runExperiment } from './replays.ts';
import { openbPage, replayPage } from './report-page.ts';
import { fromServer } from './from-server.ts';
import { fromTrace } from './scenarios.ts';
import type { SimulateOptions } from './simulate-options.ts';

export async function simulate(options: SimulateOptions, command: Command): Promise<void> {
  if (options.trace === 'openb') openb(options, command);
  else await replays(options, command);
}

function openb(options: SimulateOptions, command: Command): void {
  const report = simulateOpenb({
    nodesFile: needed('--nodes FILE', options.nodes, '--trace openb'),
    podsFile: needed('--pods FILE', options.pods, '--trace openb'),
    placement: options.placement,
    seeds: options.seeds,
  });
  writeReport(options.html, () => openbPage(`openb, ${report.placement}`, report));
  print(isJson(command) ? JSON.stringify(report, null, 2) : openbText(report));
  sayReport(options.html, command);
}

async function replays(options: SimulateOptions, command: Command): Promise<void> {
  if (!(options.arrivalRate > 0))
    throw new CliError('bad_request', `--arrival-rate is ${options.arrivalRate}; it must be above zero`);
  tell(await load(options, command), options, command);
}

/** Runs it, and says what came of it as was asked for. */
export function tell(
  experiment: Experiment,
  options: Pick<SimulateOptions, 'policy' | 'html'>,
  command: Command,
): void {
  const replayed = runExperiment(experiment, options.policy);
  const { title, notes } = experiment;
  writeReport(options.html, () => replayPage(title, replayed, notes));
  if (isJson(command)) {
    const results = replayed.map(({ result, queues }) => ({
      ...result,
      ...(queues === undefined ? {} : { queues }),
    }));
    print(JSON.stringify({ results }, null, 2));
    return;
  }
  print(`  ${title}\n\n${replaysText(replayed)}`);
  for (const note of notes) print(`  ${note}`);
  sayReport(options.html, command);
}

function load(options: SimulateOptions, command: Command): Experiment | Promise<Experiment> {
  switch (options.trace) {
    case 'philly':
    case 'itp':
      return fromTrace(options.trace, options);
    case 'pollux':
      return pollux(options);
    case 'gavel':
      return gavel(options);
    default:
      return fromServer(options, command);
  }
}

function writeReport(file: string | undefined, page: () => string): void {
  if (file === undefined) return;
  try {
    writeFileSync(file, page());
  } catch (error) {
    throw new CliError(
      'not_writable',
      `${file} cannot be written: ${(error as NodeJS.ErrnoException).code ?? String(error)}`,
      { exitCode: exitCodes.refused },
    );
  }
}

const sayReport = (file: string | undefined, command: Command): void => {
  if (file !== undefined && !isJson(command)) print(`  report: ${file}`);
};
