import { createWriteStream, mkdirSync, renameSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Job } from '@gantry/contract';
import { countOf, formatBytes } from '@gantry/kit';
import type { Command } from 'commander';
import { CliError } from '../../cli-error.ts';
import { example } from '../../command-group.ts';
import { type Connection, connect } from '../../connection.ts';
import { isJson, print, table } from '../../output.ts';

type Output = NonNullable<Job['outputs']>[number];

export function outputsCommand(job: Command): void {
  example(
    job
      .command('outputs <name>')
      .description('Files a job left behind, as its "outputs" say')
      .option('--to <DIR>', 'fetch them into this folder'),
    'gantry job outputs train-1 --to results',
  ).action(async (name: string, { to }: { to?: string }, command: Command) => {
    const { client } = connect(command);
    const found = await client.call('jobs.get', { params: { name } });
    const outputs = found.outputs ?? [];
    if (to !== undefined) for (const output of outputs) await fetchOutput(client, name, output, to);
    if (isJson(command)) return print(JSON.stringify({ items: outputs }, null, 2));
    if (outputs.length === 0) return print(`  ${found.name} left no outputs${whyNone(found)}`);
    print(
      table(
        ['path', 'size', 'digest'],
        outputs.map(({ path, bytes, digest }) => [path, formatBytes(bytes), digest.slice(0, 19)]),
      ),
    );
    if (to !== undefined) print(`  ✓ ${countOf(outputs.length, 'file')} in ${to}`);
  });
}

function whyNone({ state, spec, notes = [] }: Job): string {
  if ((spec as { outputs?: readonly string[] }).outputs?.length === 0)
    return ': it names none; in a job file: outputs: ["results/**"]';
  return state === 'succeeded' ? `: ${notes.join('; ')}` : ` yet: it is ${state}`;
}

/** A path is the server's word: it may not lead out of the folder. */
async function fetchOutput(
  client: Connection['client'],
  name: string,
  { path }: Output,
  to: string,
): Promise<void> {
  const file = resolve(join(to, path));
  if (relative(resolve(to), file).startsWith('..'))
    throw new CliError('data_invalid', `the server named a file outside of the folder: ${path}`);
  mkdirSync(dirname(file), { recursive: true });
  const aside = `${file}.part`;
  await pipeline(
    client.download('jobs.output', { params: { name }, query: { path } }),
    createWriteStream(aside),
  );
  renameSync(aside, file);
}
