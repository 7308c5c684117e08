/** Where systemd looks for units, and the few calls of systemctl that a unit needs. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { CliError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { dataDirOfUnit, unitName } from './unit-text.ts';

export type Scope = 'system' | 'user';

export function unitFolder(scope: Scope): string {
  if (scope === 'system') return '/etc/systemd/system';
  return join(process.env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config'), 'systemd', 'user');
}

export function writeUnit(folder: string, text: string): string {
  const file = join(folder, unitName);
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${file}.new`, text, { mode: 0o644 });
    renameSync(`${file}.new`, file);
  } catch (error) {
    throw new CliError('forbidden', `${file} cannot be written: ${(error as NodeJS.ErrnoException).code}`, {
      exitCode: exitCodes.refused,
      hint: 'run it as root, or use --user for a service of your own',
    });
  }
  return file;
}

export interface InstalledUnit {
  readonly scope: Scope;
  readonly file: string;
}

/** Units of ours that serve this data directory. */
export function unitsOf(
  dataDir: string,
  folders: Readonly<Record<Scope, string>> = allFolders(),
): InstalledUnit[] {
  return (['system', 'user'] as const).flatMap((scope) => {
    const file = join(folders[scope], unitName);
    try {
      return dataDirOfUnit(readFileSync(file, 'utf8')) === dataDir ? [{ scope, file }] : [];
    } catch {
      return [];
    }
  });
}

const allFolders = (): Readonly<Record<Scope, string>> => ({
  system: unitFolder('system'),
  user: unitFolder('user'),
});

export const hasSystemd = (): boolean => existsSync('/run/systemd/system');

/** Runs systemctl for that scope; what it says on stderr is the message when it fails. */
export function systemctl(scope: Scope, ...args: readonly string[]): void {
  const all = scope === 'user' ? ['--user', ...args] : args;
  const { status, stderr, error } = spawnSync('systemctl', all, { encoding: 'utf8' });
  if (status === 0) return;
  throw new CliError(
    'service_failed',
    `systemctl ${all.join(' ')}: ${(stderr || error?.message || `ended with ${status}`).trim()}`,
    {
      exitCode: exitCodes.refused,
      hint: `look: journalctl ${scope === 'user' ? '--user ' : ''}-u ${unitName}`,
    },
  );
}

/** Stops and forgets a unit; a machine without a running systemd only loses the file. */
export function removeUnit({ scope, file }: InstalledUnit): void {
  if (hasSystemd()) {
    try {
      systemctl(scope, 'disable', '--now', unitName);
    } catch {
      // never enabled, or stopped by hand: the file goes in any case
    }
  }
  rmSync(file, { force: true });
  if (hasSystemd()) systemctl(scope, 'daemon-reload');
}
