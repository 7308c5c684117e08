import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { countOf, formatBytes } from '@gantry/kit';
import type { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { example } from '../command-group.ts';
import { type GlobalOptions, contextFile, memoryDataDir, ownDataDirs } from '../connection.ts';
import { endWorkers, runningWorkers } from '../end-workers.ts';
import { forgetMemoryServer } from '../memory-server.ts';
import { exitCodes } from '../exit-codes.ts';
import { type Trace, folder, footprintOf, isDataDir } from '../footprint.ts';
import { isJson, print, showOne, table } from '../output.ts';
import { stopServer } from '../server-process.ts';

export function downCommand(program: Command): void {
  example(
    program
      .command('down')
      .description('Stop the platform of this machine')
      .option('--workers', 'and end what still runs; jobs go on from their checkpoints at the next start')
      .option('--purge', 'and remove everything it made; lists it first')
      .option('--yes', 'do remove it'),
    'gantry down',
    'gantry down --workers',
    'gantry down --purge --yes',
  ).action(async (options: DownOptions, command: Command) => {
    const given = command.optsWithGlobals<GlobalOptions>().dataDir;
    const dirs = given === undefined ? ownDataDirs() : [resolve(given)];
    if (
      options.purge === true &&
      given !== undefined &&
      existsSync(dirs[0] ?? '') &&
      !isDataDir(dirs[0] ?? '')
    )
      throw new CliError('bad_request', `${dirs[0]} is no data directory of gantry`, {
        hint: 'nothing was removed; gantry status tells where the data of a running server is',
        exitCode: exitCodes.refused,
      });
    const stopped: string[] = [];
    for (const dir of dirs) if (await stopServer(dir)) stopped.push(dir);
    const say = (text: string): void => (isJson(command) ? undefined : print(text));
    for (const dir of stopped) say(`  ✓ stopped   ${dir}`);
    if (given === undefined && (await forgetMemoryServer())) say(`  ✓ removed   ${memoryDataDir()}`);
    const workers = dirs.flatMap((dir) => runningWorkers(dir));
    if (workers.length > 0 && options.purge !== true) {
      if (options.workers === true) {
        for (const dir of dirs) await endWorkers(dir);
        say(`  ✓ ended   ${countOf(workers.length, 'running worker')}`);
      } else
        say(
          `  ${countOf(workers.length, 'running worker')} ${workers.length === 1 ? 'goes' : 'go'} on; the next "gantry up" takes over; to end them: gantry down --workers`,
        );
    }

    const traces = options.purge === true ? tracesOf(dirs, given === undefined) : [];
    if (options.purge !== true || traces.length === 0) {
      const data = dirs.filter((dir) => existsSync(dir));
      if (stopped.length === 0)
        say(
          data.length === 0
            ? '  nothing runs and nothing is there'
            : `  no server runs; data stays in ${data.join(' and ')}`,
        );
      if (isJson(command)) print(JSON.stringify({ stopped, workers: workers.length, removed: [] }));
      return;
    }
    say(
      table(
        ['path', 'size', 'what'],
        traces.map(({ path, bytes, what }) => [path, formatBytes(bytes), what]),
      ),
    );
    if (workers.length > 0)
      say(`  ${countOf(workers.length, 'running worker')} ${workers.length === 1 ? 'ends' : 'end'}`);
    if (options.yes !== true)
      throw new CliError('bad_request', 'nothing was removed', {
        hint: 'add --yes to remove all of it',
        exitCode: exitCodes.refused,
      });
    for (const dir of dirs) await endWorkers(dir);
    for (const trace of traces) trace.remove();
    showOne(
      command,
      {
        stopped,
        workers: workers.length,
        removed: traces.map(({ path, what, bytes }) => ({ path, what, bytes })),
      },
      () => `  ✓ removed   ${formatBytes(traces.reduce((sum, { bytes }) => sum + bytes, 0))}`,
    );
  });
}

interface DownOptions {
  readonly purge?: boolean;
  readonly workers?: boolean;
  readonly yes?: boolean;
}

/** Without a --data-dir everything goes, also what `gantry login` remembered. */
function tracesOf(dirs: readonly string[], isEverything: boolean): readonly Trace[] {
  const config = dirname(contextFile());
  return [
    ...dirs.flatMap((dir) => footprintOf(dir)),
    ...(isEverything && existsSync(config) ? [folder(config, 'contexts of "gantry login"')] : []),
  ];
}
