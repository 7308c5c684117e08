/**
 * Brings a device's builds here. npm fetches them, so that the user's registry, proxy and keys are honoured and every
 * package is checked against the registry's digest; none of their scripts runs but the one that a part names. A part
 * is whole or absent: what was cut short is fetched again, what is there is not.
 */
import { access, constants, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isInstalled, markerOf, packageFolder, type BuildPart } from './gpu-builds.ts';
import { InstallError } from './install-error.ts';
import { runTool, type RunTool } from './run-tool.ts';

export interface InstallStep {
  readonly part: BuildPart;
  readonly state: 'present' | 'to fetch' | 'fetched';
}

export async function installBuilds(
  folder: string,
  parts: readonly BuildPart[],
  options: {
    readonly isDryRun: boolean;
    readonly run?: RunTool;
    readonly onStep?: (step: InstallStep) => void;
  },
): Promise<readonly InstallStep[]> {
  const { isDryRun, run = runTool, onStep } = options;
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

async function fetchPart(folder: string, part: BuildPart, run: RunTool): Promise<void> {
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
  await must(run('npm', ['install', '--prefix', into, ...quiet, part.package], { cwd: into }), part);
  if (part.script !== undefined) {
    const inside = packageFolder(folder, part);
    await must(run(process.execPath, part.script, { cwd: inside }), part);
  }
  await writeFile(markerOf(folder, part), `${JSON.stringify({ package: part.package })}\n`);
}

async function must(ended: ReturnType<RunTool>, part: BuildPart): Promise<void> {
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

const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
