/**
 * Brings a device's builds here. npm fetches them, so that the user's registry, proxy and keys are honoured and every
 * package is checked against the registry's digest; none of their scripts runs but the one that a part names. A part
 * is whole or absent: what was cut short is fetched again, what is there is not.
 */
import { spawn } from 'node:child_process';
import { access, constants, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { isInstalled, markerOf, packageFolder, type BuildPart } from './gpu-builds.ts';

export type RunCommand = (
  command: string,
  args: readonly string[],
  cwd: string,
) => Promise<{ readonly code: number | null; readonly complaint: string }>;

export class InstallError extends Error {
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.name = 'InstallError';
    this.hint = hint;
  }
}

export interface InstallStep {
  readonly part: BuildPart;
  readonly state: 'present' | 'to fetch' | 'fetched';
}

export async function installBuilds(
  folder: string,
  parts: readonly BuildPart[],
  options: {
    readonly isDryRun: boolean;
    readonly run?: RunCommand;
    readonly onStep?: (step: InstallStep) => void;
  },
): Promise<readonly InstallStep[]> {
  const { isDryRun, run = runCommand, onStep } = options;
  const steps: InstallStep[] = [];
  for (const part of parts) {
    const isPresent = isInstalled(folder, part);
    if (!isPresent && !isDryRun) await fetchPart(folder, part, run);
    const step: InstallStep = { part, state: isPresent ? 'present' : isDryRun ? 'to fetch' : 'fetched' };
    steps.push(step);
    onStep?.(step);
  }
  return steps;
}

async function fetchPart(folder: string, part: BuildPart, run: RunCommand): Promise<void> {
  const into = join(folder, part.name);
  await rm(into, { recursive: true, force: true })
    .then(() => mkdir(into, { recursive: true }))
    .then(() => access(into, constants.W_OK))
    .catch((cause: unknown) => {
      throw new InstallError(
        `Nothing can be written to ${into}: ${reasonOf(cause)}.`,
        'Run it as the user who installed Gantry.',
      );
    });
  const quiet = [
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--no-save',
    '--no-package-lock',
    '--fetch-retries=1',
  ];
  await must(run('npm', ['install', '--prefix', into, ...quiet, part.package], into), part);
  if (part.script !== undefined) {
    const inside = packageFolder(folder, part);
    await must(run(process.execPath, part.script, inside), part);
  }
  await writeFile(markerOf(folder, part), `${JSON.stringify({ package: part.package })}\n`);
}

async function must(ended: ReturnType<RunCommand>, part: BuildPart): Promise<void> {
  const { code, complaint } = await ended;
  if (code === 0) return;
  const isOffline = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|fetch failed/.test(complaint);
  throw new InstallError(
    `${part.package} was not installed: ${complaint === '' ? `exit code ${code}` : complaint}`,
    isOffline
      ? 'The package registry cannot be reached: is this machine online, and is npm set to use your proxy or mirror?'
      : 'Run it again: what is whole is kept.',
  );
}

/** The lines that say what failed; npm's are the ones with `error`. */
const runCommand: RunCommand = async (command, args, cwd) => {
  const child = spawn(command, args, { cwd, stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  }).catch(() => null);
  const [said, code] = await Promise.all([text(child.stderr), ended]);
  const lines = said.split('\n').filter((line) => line.trim() !== '');
  const errors = lines.filter((line) => /error/i.test(line)).slice(0, 3);
  return { code, complaint: (errors.length > 0 ? errors : lines.slice(-1)).join(' ') };
};

const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
