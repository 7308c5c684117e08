/** `gantry simulate`: runs what was asked for and tells it as a table, as JSON, or as a page. */
import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { isJson, print } from '../output.ts';
import { openbText, simulateOpenb } from './openb.ts';
import { needed } from './read-trace.ts';
import { leftOut, policiesOf, replaysText, runReplay } from './replays.ts';
import { openbPage, replayPage } from './report-page.ts';
import { faster, fromServer, fromTrace, moreNodes } from './scenarios.ts';
import type { SimulateOptions } from './simulate-options.ts';

export async function simulate(options: SimulateOptions, command: Command): Promise<void> {
  if (options.trace === 'openb') openb(options, command);
  else await replays(options, options.trace, command);
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

async function replays(
  options: SimulateOptions,
  trace: 'philly' | 'itp' | undefined,
  command: Command,
): Promise<void> {
  const policies = policiesOf(options.policy);
  const { scenario, title, notes } =
    trace === undefined ? await fromServer(options, command) : fromTrace(trace, options);
  const scenarios = [faster(scenario, options.arrivalRate), ...moreNodes(scenario, options)];
  const replayed = scenarios.flatMap((each) =>
    policies.map((policy) => {
      if (process.stderr.isTTY === true) process.stderr.write(`\r\u001b[2K  ▸ ${policy} …`);
      return runReplay(each, policy);
    }),
  );
  if (process.stderr.isTTY === true) process.stderr.write('\r\u001b[2K');
  const left = leftOut(scenario);
  const allNotes = left === undefined ? notes : [...notes, left];
  writeReport(options.html, () => replayPage(title, replayed, allNotes));
  if (isJson(command)) {
    print(JSON.stringify({ results: replayed.map(({ result }) => result) }, null, 2));
    return;
  }
  print(`  ${title}\n\n${replaysText(replayed)}`);
  for (const note of allNotes) print(`  ${note}`);
  sayReport(options.html, command);
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
