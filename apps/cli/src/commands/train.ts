import type { Command } from 'commander';
import { countOption, example } from '../command-group.ts';
import { submitJob } from './job/submit-job.ts';

interface TrainOptions {
  readonly data: string[];
  readonly depth: number;
  readonly steps: number;
  readonly ranks: number;
  readonly queue: string;
  readonly name?: string;
  readonly register?: string;
  readonly waitForCapacity?: boolean;
  readonly detach?: boolean;
}

export function trainCommand(program: Command): void {
  example(
    program
      .command('train')
      .description('Train a language model on your own text')
      .requiredOption('--data <GLOB...>', 'text or JSONL files')
      .option('--depth <N>', 'layers; sizes everything else', countOption, 4)
      .option('--steps <N>', 'optimiser steps', countOption, 600)
      .option('--ranks <N>', 'data-parallel ranks', countOption, 1)
      .option('--queue <NAME>', 'queue', 'default')
      .option('--name <NAME>', 'name of the job')
      .option('--register <MODEL>', 'register the result under this name')
      .option('--wait-for-capacity', 'queue it even if no machine here could run it now')
      .option('--detach', 'submit and return'),
    'gantry train --data "notes/**/*.md" --depth 6 --register notes',
  ).action(async (options: TrainOptions, command: Command) => {
    const { data, depth, steps, ranks, queue, name, register } = options;
    await submitJob(
      command,
      {
        workdir: process.cwd(),
        queue,
        train: { recipe: 'language-model', data, depth, steps },
        parallel: { data: ranks },
        ...(name === undefined ? {} : { name }),
        ...(options.waitForCapacity === true ? { waitForCapacity: true } : {}),
        ...(register === undefined ? {} : { register }),
      },
      { isFollowed: options.detach !== true },
    );
  });
}
