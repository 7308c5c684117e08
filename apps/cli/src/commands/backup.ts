import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { example } from '../command-group.ts';
import { type GlobalOptions, defaultDataDir, readServer } from '../connection.ts';
import { exitCodes } from '../exit-codes.ts';
import { outsideDatabase } from '../footprint.ts';
import { showOne } from '../output.ts';

export function backupCommands(program: Command): void {
  example(
    program
      .command('backup <file>')
      .description('Copy the data directory of a stopped server into an archive'),
    'gantry down && gantry backup gantry-$(date +%F).tar.gz && gantry up --detach',
  ).action((file: string, _options: unknown, command: Command) => {
    const dataDir = dataDirOf(command);
    if (!existsSync(dataDir))
      throw new CliError('data_missing', `there is nothing at ${dataDir}`, { exitCode: exitCodes.not_found });
    const cached = ['--exclude=./s3-cache', '--exclude=./blobs/incoming'];
    archive(dataDir, ['-czf', resolve(file), ...cached, '-C', dataDir, '.', ...outsideArgs(dataDir)]);
    const blobsAt = elsewhere(dataDir);
    showOne(
      command,
      { dataDir, file: resolve(file), ...(blobsAt === undefined ? {} : { notIncluded: blobsAt }) },
      () =>
        [
          `  ✓ backed up   ${dataDir} → ${file}`,
          ...(blobsAt === undefined
            ? []
            : [`  not in it: the blobs at ${blobsAt}; keep that bucket as well`]),
        ].join('\n'),
    );
  });

  example(
    program
      .command('restore <file>')
      .description('Put an archive made by "gantry backup" into an empty data directory'),
    'gantry restore gantry-2026-11-21.tar.gz && gantry up --detach',
  ).action((file: string, _options: unknown, command: Command) => {
    const dataDir = dataDirOf(command);
    if (!existsSync(file))
      throw new CliError('data_missing', `there is no file ${file}`, { exitCode: exitCodes.not_found });
    if (existsSync(dataDir) && readdirSync(dataDir).length > 0)
      throw new CliError('in_use', `${dataDir} is not empty`, {
        hint: 'move it away first; a restore never overwrites',
        exitCode: exitCodes.refused,
      });
    mkdirSync(dataDir, { recursive: true });
    archive(dataDir, ['-xpzf', resolve(file), '-C', dataDir]);
    showOne(command, { dataDir, file: resolve(file) }, () => `  ✓ restored   ${file} → ${dataDir}`);
  });
}

/** A database outside the data directory goes into the archive as if it were inside; the server takes it from there. */
function outsideArgs(dataDir: string): readonly string[] {
  const database = outsideDatabase(dataDir);
  if (database === undefined) return [];
  const name = basename(database);
  return [`--transform=s,^${name},./postgres,`, '-C', dirname(database), name];
}

/** Where the blobs lie when they are not in the data directory. */
const elsewhere = (dataDir: string): string | undefined => {
  const file = join(dataDir, 'blobs-at');
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined;
};

const dataDirOf = (command: Command): string =>
  resolve(command.optsWithGlobals<GlobalOptions>().dataDir ?? defaultDataDir());

function archive(dataDir: string, args: readonly string[]): void {
  if (readServer(dataDir) !== undefined)
    throw new CliError('in_use', `the server of ${dataDir} is running`, {
      hint: 'gantry down first: a copy of a running database is no backup',
      exitCode: exitCodes.refused,
    });
  const result = spawnSync('tar', [...args], { stdio: ['ignore', 'inherit', 'inherit'] });
  if (result.status !== 0)
    throw new CliError('internal', `tar ended with ${result.status ?? result.error?.message}`, {
      exitCode: exitCodes.internal,
    });
}
