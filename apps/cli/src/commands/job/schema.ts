import { jobFileSchema } from '@gantry/contract';
import type { Command } from 'commander';
import { example } from '../../command-group.ts';
import { print } from '../../output.ts';

export function schemaCommand(job: Command): void {
  example(
    job.command('schema').description('The JSON schema of job files, for editors'),
    'gantry job schema > job.schema.json',
  ).action(() => print(JSON.stringify(jobFileSchema(), null, 2)));
}
