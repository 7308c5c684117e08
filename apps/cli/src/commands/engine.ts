/** What computes models: here, and behind an address. */
import { remoteEngines } from '@gantry/contract';
import type { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { example, group } from '../command-group.ts';
import { table } from '../output.ts';
import { runWorker } from '../run-worker.ts';
import { view, watchable } from '../view.ts';

interface Surveyed {
  readonly engine: string;
  readonly version: string;
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
}

async function survey(): Promise<readonly Surveyed[]> {
  const { code, said, complaint } = await runWorker('engines');
  if (code !== 0) throw new CliError('engines_unknown', `the engines could not be looked at: ${complaint}`);
  return JSON.parse(said) as readonly Surveyed[];
}

function describeEngines(engines: readonly Surveyed[]): string {
  const rows = engines.map(({ engine, version, formats, serves, devices }) => [
    engine,
    version,
    formats.join(', '),
    serves,
    devices.map(({ device, state }) => (state === 'ready' ? device : `${device} (${state})`)).join(', '),
  ]);
  return [
    table(['engine', 'version', 'formats', 'serves', 'devices'], rows),
    '',
    `  any server of your own: gantry endpoint serve NAME --model REF -- COMMAND…`,
    `  servers elsewhere (${remoteEngines.join(', ')}): gantry endpoint connect NAME …`,
  ].join('\n');
}
