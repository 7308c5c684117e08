import { resolve } from 'node:path';
import { createClient } from '@gantry/sdk';
import type { Command } from 'commander';
import pc from 'picocolors';
import { example, numberOption } from '../command-group.ts';
import {
  type GlobalOptions,
  type ServerFile,
  defaultDataDir,
  ownDataDirs,
  readOperatorKey,
  readServer,
} from '../connection.ts';
import { judge } from '../doctor/checks.ts';
import type { Check } from '../doctor/check.ts';
import { type Machine, lookAtMachine } from '../doctor/machine.ts';
import { exitCodes } from '../exit-codes.ts';
import { showOne } from '../output.ts';

const marks = { ok: pc.green('✓'), warn: pc.yellow('!'), bad: pc.red('✗') } as const;

export function doctorCommand(program: Command): void {
  example(
    program
      .command('doctor')
      .description('Looks at this machine and says what gantry can use; exit code 3 if it cannot run')
      .option('--port <N>', 'the port to look at', numberOption, 7070),
    'gantry doctor',
    'gantry doctor --json',
  ).action(async ({ port }: { port: number }, command: Command) => {
    const given = command.optsWithGlobals<GlobalOptions>().dataDir;
    const dataDir = given === undefined ? usualDataDir() : resolve(given);
    const checks = judge(await lookAtMachine(dataDir, port, (server) => askStatus(server, dataDir)));
    const isFit = checks.every(({ state }) => state !== 'bad');
    showOne(command, { ok: isFit, checks }, () => checks.map(line).join('\n'));
    if (!isFit) process.exitCode = exitCodes.refused;
  });
}

/** The one with a server in it: the default one's, else the one that the quickstart left running. */
const usualDataDir = (): string =>
  ownDataDirs().find((dir) => readServer(dir) !== undefined) ?? defaultDataDir();

function line({ name, state, text, hint }: Check): string {
  const first = `  ${marks[state]} ${name.padEnd(10)} ${text}`;
  return hint === undefined ? first : `${first}\n    ${' '.repeat(10)} ${pc.dim(hint)}`;
}

async function askStatus(server: ServerFile, dataDir: string): Promise<Machine['status']> {
  const key = readOperatorKey(dataDir);
  if (key === undefined) return undefined;
  try {
    return await createClient({ baseUrl: server.url, key }).call('status.get', {});
  } catch {
    return undefined;
  }
}
