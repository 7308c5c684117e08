/** What computes models: here, and behind an address. */
import { remoteEngines } from '@gantry/contract';
import { Argument, type Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { example, group } from '../command-group.ts';
import { exitCodes } from '../exit-codes.ts';
import { isJson, showOne, table } from '../output.ts';
import { runWorker } from '../run-worker.ts';
import { view, watchable } from '../view.ts';

interface Surveyed {
  readonly engine: string;
  readonly version: string;
  readonly build: string;
  readonly formats: readonly string[];
  readonly serves: string;
  readonly devices: readonly { readonly device: string; readonly state: string }[];
}

export function engineCommands(program: Command): void {
  const engine = example(group(program, 'engine', 'What computes models'), 'gantry engine list');
  example(
    watchable(
      engine
        .command('list')
        .description('Engines of this installation by format and device, and kinds to connect'),
    ),
    'gantry engine list',
  ).action(async (_options: unknown, command: Command) => {
    await view(command, {
      load: async () => ({ engines: await survey(), remote: remoteEngines }),
      text: ({ engines }) => describeEngines(engines),
    });
  });
  example(
    engine
      .command('install')
      .description(
        'Fetch the builds of the engines for a device, or compile llama.cpp for this machine (native)',
      )
      .addArgument(new Argument('<device>', 'what they compute on').choices(['native', 'cuda', 'vulkan']))
      .option('--dry-run', 'say what would be done'),
    'gantry engine install native',
    'gantry engine install cuda --dry-run',
    'gantry engine install cuda',
  ).action(async (device: string, options: { readonly dryRun?: true }, command: Command) => {
    const installed = await install(device, options.dryRun === true, (line) => {
      if (!isJson(command)) process.stderr.write(`  ${line}\n`);
    });
    showOne(command, installed, () => describeInstalled(installed));
  });
}

interface Installed {
  readonly folder: string;
  readonly steps: readonly { readonly engine: string; readonly package: string; readonly state: string }[];
  readonly error?: { readonly message: string; readonly hint: string };
}

async function install(
  device: string,
  isDryRun: boolean,
  onLine: (line: string) => void,
): Promise<Installed> {
  const env = { GANTRY_DEVICE: device, ...(isDryRun ? { GANTRY_DRY_RUN: '1' } : {}) };
  const { said, complaint } = await runWorker('install', env, onLine);
  if (said === '') throw new CliError('engine_not_installed', `nothing was installed: ${complaint}`);
  const answer = JSON.parse(said) as Installed;
  if (answer.error !== undefined)
    throw new CliError('engine_not_installed', answer.error.message, {
      hint: answer.error.hint,
      exitCode: exitCodes.refused,
    });
  return answer;
}

function describeInstalled({ folder, steps }: Installed): string {
  const rows = steps.map(({ engine, package: held, state }) => [engine, held, state]);
  return [table(['engine', 'package', 'state'], rows), '', `  in ${folder}`].join('\n');
}

async function survey(): Promise<readonly Surveyed[]> {
  const { code, said, complaint } = await runWorker('engines');
  if (code !== 0) throw new CliError('engines_unknown', `the engines could not be looked at: ${complaint}`);
  return JSON.parse(said) as readonly Surveyed[];
}

function describeEngines(engines: readonly Surveyed[]): string {
  const rows = engines.map(({ engine, version, build, formats, serves, devices }) => [
    engine,
    version,
    build,
    formats.join(', '),
    serves,
    devices.map(({ device, state }) => (state === 'ready' ? device : `${device} (${state})`)).join(', '),
  ]);
  return [
    table(['engine', 'version', 'build', 'formats', 'serves', 'devices'], rows),
    '',
    `  any server of your own: gantry endpoint serve NAME --model REF -- COMMAND…`,
    `  servers elsewhere (${remoteEngines.join(', ')}): gantry endpoint connect NAME …`,
  ].join('\n');
}
