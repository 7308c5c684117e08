import type { JobSpecInput } from '@gantry/contract';
import { type Command, Option } from 'commander';
import { countOption, example, numberOption } from '../../command-group.ts';
import {
  deadlineOption,
  envOption,
  gather,
  labelOption,
  secretOption,
  tolerationOption,
  volumeOption,
} from './run-options.ts';
import { submitJob } from './submit-job.ts';

/** What makes the user's own interpreter and packages found again inside the job. */
const inherited = ['PATH', 'VIRTUAL_ENV', 'CONDA_PREFIX', 'PYTHONPATH', 'HOME', 'LANG'];

interface RunOptions {
  readonly name?: string;
  readonly cpus: number;
  readonly gpus: number;
  readonly memory: string;
  readonly replicas: number;
  readonly minReplicas?: number;
  readonly queue: string;
  readonly priority?: number;
  readonly deadline?: string;
  readonly node?: readonly (readonly [string, string])[];
  readonly tolerate?: NonNullable<JobSpecInput['tolerations']>;
  readonly preemptible: boolean;
  readonly timeLimit?: string;
  readonly retries?: number;
  readonly image?: string;
  readonly network?: 'own' | 'shared';
  readonly upload?: string;
  readonly env?: readonly (readonly [string, string])[];
  readonly secret?: NonNullable<JobSpecInput['secrets']>;
  readonly volume?: NonNullable<JobSpecInput['volumes']>;
  readonly output?: readonly string[];
  readonly waitForCapacity?: boolean;
  readonly detach?: boolean;
}

export function runCommand(job: Command): void {
  example(
    job
      .command('run <command...>')
      .description('Run a command as a job, here, with your own environment')
      .option('--name <NAME>', 'name of the job')
      .option('--cpus <N>', 'cores per replica', numberOption, 1)
      .option('--gpus <N>', 'devices per replica, or a part of one like 0.25', numberOption, 0)
      .option('--memory <SIZE>', 'per replica', '2GiB')
      .option('--replicas <N>', 'ranks', countOption, 1)
      .option(
        '--min-replicas <N>',
        'start with so many already, grow and shrink between the two',
        countOption,
      )
      .option('--queue <NAME>', 'queue', 'default')
      .option('--priority <N>', '0 to 1000, more goes first within the queue (default: 50)', numberOption)
      .option('--no-preemptible', 'never stopped for others')
      .option(
        '--deadline <TIME>',
        'when it should be done: 6h from now, or a time like 2026-12-01T08:00:00Z',
        deadlineOption,
      )
      .option('--node <KEY=VALUE>', 'only machines with this label; may be repeated', gather(labelOption))
      .option(
        '--tolerate <KEY>',
        'also machines with this taint, KEY=VALUE for one of its values',
        gather(tolerationOption),
      )
      .option('--time-limit <DURATION>', 'stopped after this, like 90s, 5m or 12h (default: 24h)')
      .option('--retries <N>', 'tried again this often when it fails by itself', countOption)
      .option('--image <REF>', 'in a container of this image, like docker.io/library/python:3.13')
      .option('--upload <DIR>', 'take this folder along, without what .gantryignore or .gitignore name')
      .addOption(
        new Option(
          '--network <WHICH>',
          "own: it reaches nothing and nobody reaches it; shared: the machine's (default)",
        ).choices(['own', 'shared']),
      )
      .option('--env <NAME=VALUE>', 'a variable more; may be repeated', gather(envOption))
      .option('--secret <NAME>', 'a secret as a variable, NAME=VARIABLE for another', gather(secretOption))
      .option('--volume <SOURCE:MOUNT>', 'a folder or a named volume, :rw to write', gather(volumeOption))
      .option('--output <GLOB>', 'keep these files of its folder; may be repeated', gather(String))
      .option('--wait-for-capacity', 'queue it even if no machine here could run it now')
      .option('--detach', 'submit and return'),
    'gantry job run --cpus 2 -- python train.py',
    'gantry job run --upload . --secret hf-token --output "out/**" -- python train.py',
    'gantry job run --image docker.io/library/python:3.13 --upload . -- python train.py',
    'gantry job run --gpus 1 --detach --name nightly -- bash nightly.sh',
  ).action(async (argv: string[], options: RunOptions, command: Command) => {
    await submitJob(
      command,
      {
        command: argv,
        // A container has folders, a PATH and a home of its own.
        ...(options.upload === undefined && options.image === undefined ? { workdir: process.cwd() } : {}),
        ...(options.image === undefined ? {} : { image: options.image }),
        ...(options.network === undefined ? {} : { network: options.network }),
        env: Object.fromEntries([
          ...(options.image === undefined ? inherited : []).flatMap((name) => {
            const value = process.env[name];
            return value === undefined ? [] : [[name, value] as const];
          }),
          ...(options.env ?? []),
        ]),
        replicas: options.replicas,
        ...(options.minReplicas === undefined ? {} : { minReplicas: options.minReplicas }),
        queue: options.queue,
        preemptible: options.preemptible,
        ...(options.priority === undefined ? {} : { priority: options.priority }),
        ...(options.deadline === undefined ? {} : { deadline: options.deadline }),
        ...(options.node === undefined ? {} : { nodeSelector: Object.fromEntries(options.node) }),
        ...(options.tolerate === undefined ? {} : { tolerations: [...options.tolerate] }),
        resources: { cpu: options.cpus, gpu: options.gpus, memory: options.memory },
        ...(options.name === undefined ? {} : { name: options.name }),
        secrets: [...(options.secret ?? [])],
        volumes: [...(options.volume ?? [])],
        outputs: [...(options.output ?? [])],
        ...(options.waitForCapacity === true ? { waitForCapacity: true } : {}),
        ...(options.retries === undefined ? {} : { retries: options.retries }),
        ...(options.timeLimit === undefined ? {} : { timeLimit: options.timeLimit }),
      },
      {
        isFollowed: options.detach !== true,
        withOutput: true,
        ...(options.upload === undefined ? {} : { upload: options.upload }),
      },
    );
  });
}
