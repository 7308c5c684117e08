import type { Command } from 'commander';
import { example, numberOption } from '../../command-group.ts';
import { submitJob } from './submit-job.ts';

/** What makes the user's own interpreter and packages found again inside the job. */
const inherited = ['PATH', 'VIRTUAL_ENV', 'CONDA_PREFIX', 'PYTHONPATH', 'HOME', 'LANG'];

interface RunOptions {
  readonly name?: string;
  readonly cpus: number;
  readonly gpus: number;
  readonly memory: string;
  readonly replicas: number;
  readonly queue: string;
  readonly timeLimit?: string;
  readonly detach?: boolean;
}

export function runCommand(job: Command): void {
  example(
    job
      .command('run <command...>')
      .description('Run a command as a job, here, with your own environment')
      .option('--name <NAME>', 'name of the job')
      .option('--cpus <N>', 'cores per replica', numberOption, 1)
      .option('--gpus <N>', 'whole devices per replica', numberOption, 0)
      .option('--memory <SIZE>', 'per replica', '2GiB')
      .option('--replicas <N>', 'ranks', numberOption, 1)
      .option('--queue <NAME>', 'queue', 'default')
      .option('--time-limit <DURATION>', 'stopped after this, like 90s, 5m or 12h (default: 24h)')
      .option('--detach', 'submit and return'),
    'gantry job run --cpus 2 -- python train.py',
    'gantry job run --gpus 1 --detach --name nightly -- bash nightly.sh',
  ).action(async (argv: string[], options: RunOptions, command: Command) => {
    await submitJob(
      command,
      {
        command: argv,
        workdir: process.cwd(),
        env: Object.fromEntries(
          inherited.flatMap((name) => {
            const value = process.env[name];
            return value === undefined ? [] : [[name, value]];
          }),
        ),
        replicas: options.replicas,
        queue: options.queue,
        resources: { cpu: options.cpus, gpu: options.gpus, memory: options.memory },
        ...(options.name === undefined ? {} : { name: options.name }),
        ...(options.timeLimit === undefined ? {} : { timeLimit: options.timeLimit }),
      },
      { isFollowed: options.detach !== true, withOutput: true },
    );
  });
}
