import type { Command } from 'commander';
import { example, group } from '../command-group.ts';
import { actCommands } from './job/act.ts';
import { listCommand } from './job/list.ts';
import { lookCommands } from './job/look.ts';
import { outputsCommand } from './job/outputs.ts';
import { runCommand } from './job/run.ts';
import { schemaCommand } from './job/schema.ts';
import { submitCommand } from './job/submit.ts';

export function jobCommands(program: Command): void {
  const job = example(
    group(program, 'job', 'Submit, watch and stop jobs'),
    'gantry job run --cpus 2 -- python train.py',
    'gantry job submit examples/quickstart.yaml --wait',
  );
  for (const add of [
    submitCommand,
    runCommand,
    listCommand,
    lookCommands,
    outputsCommand,
    actCommands,
    schemaCommand,
  ])
    add(job);
}
