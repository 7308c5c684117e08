import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { formatBytes } from '@gantry/kit';
import type { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { example, group } from '../command-group.ts';
import { connect } from '../connection.ts';
import { ago, showOne } from '../output.ts';
import { type Overriding, overridable } from '../overridable.ts';
import { viewList, watchable } from '../view.ts';

export function modelCommands(program: Command): void {
  const model = example(group(program, 'model', 'Registered models'), 'gantry model list');

  example(watchable(model.command('list').description('Models')), 'gantry model list').action(
    async (_options: unknown, command: Command) => {
      const { client } = connect(command);
      await viewList(command, {
        load: async () => (await client.call('models.list', {})).items,
        heads: ['model', 'latest', 'aliases', 'changed'],
        row: (each) => [
          each.name,
          String(each.latest ?? '–'),
          Object.entries(each.aliases)
            .map(([alias, number]) => `${alias}=${number}`)
            .join(' '),
          ago(each.updatedAt),
        ],
        empty: 'no models yet: gantry train --data … --register NAME',
      });
    },
  );

  example(
    watchable(model.command('show <name>').description('Versions of a model')),
    'gantry model show quickstart',
  ).action(async (name: string, _options: unknown, command: Command) => {
    const { client } = connect(command);
    await viewList(command, {
      load: async () => (await client.call('models.versions', { params: { name } })).items,
      heads: ['version', 'formats', 'size', 'validation loss', 'gate', 'from', 'made'],
      row: (each) => [
        `${each.model}@${each.number}`,
        each.formats.join(', '),
        formatBytes(each.bytes),
        each.metrics['validationLoss']?.toFixed(3) ?? '–',
        each.gate.state,
        originOf(each.lineage),
        ago(each.createdAt),
      ],
      empty: 'no versions',
    });
  });

  example(
    model
      .command('import <name> <path>')
      .description('Register safetensors, GGUF or ONNX files of the server machine'),
    'gantry model import llama ./llama-3.2-1b-q8_0.gguf',
  ).action(async (name: string, path: string, _options: unknown, command: Command) => {
    // The server reads the path: as the user wrote it, unless it names something beside the user.
    const version = await connect(command).client.call('models.import', {
      body: { name, path: existsSync(path) ? resolve(path) : path },
    });
    showOne(
      command,
      version,
      () =>
        `  ✓ ${version.model}@${version.number}   ${version.formats.join(', ')}   ${formatBytes(version.bytes)}`,
    );
  });

  example(
    overridable(model.command('alias <name> <alias> <version>').description('Point an alias at a version')),
    'gantry model alias quickstart production 3',
  ).action(async (name: string, alias: string, text: string, options: Overriding, command: Command) => {
    const version = Number(text);
    if (!Number.isInteger(version) || version < 1)
      throw new CliError('bad_request', `"${text}" is no version`, {
        hint: `versions are numbers from 1: gantry model show ${name}`,
      });
    const found = await connect(command).client.call('models.alias', {
      params: { name, alias },
      query: options,
      body: { version },
    });
    showOne(command, found, () => `  ✓ ${name}@${alias} → ${version}`);
  });

  example(
    model.command('delete <name>').description('Delete a model that nothing serves'),
    'gantry model delete quickstart',
  ).action(async (name: string, _options: unknown, command: Command) => {
    await connect(command).client.call('models.delete', { params: { name } });
    showOne(command, { ok: true }, () => `  model ${name} deleted`);
  });
}

/** The version or the job that it was made from, or where it was imported from. */
function originOf(lineage: Readonly<Record<string, unknown>>): string {
  const origin = lineage['derivedFrom'] ?? lineage['job'] ?? lineage['importedFrom'];
  return typeof origin === 'string' ? origin : '';
}
