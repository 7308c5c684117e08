/**
 * A restart in the middle, with each framework's own checkpoints: the first attempt trains half way and goes down with
 * the platform's fault, the second is offered the newest whole checkpoint and the framework itself goes on from it.
 */
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { jobEnd } from '../../../apps/server/src/e2e/testing/follow.ts';
import type { Check } from '../check.ts';
import { allLogs, examplesDir, readJob } from './torch-examples.ts';

const peersDir = join(import.meta.dirname, '..', 'peers');

const cases = [
  {
    name: 'torch-accelerate',
    short: '--epochs 2',
    offered: 'checkpoint-64',
    goesOn: (log: string) => /goes on from .*checkpoint-64/.test(log) && !log.includes('epoch=2/'),
  },
  {
    name: 'torch-deepspeed-config',
    short: '--steps 40',
    offered: 'checkpoints',
    goesOn: (log: string) => log.includes('goes on from step 40'),
  },
  {
    name: 'torch-fsdp',
    short: '--steps 20',
    offered: 'step-20',
    goesOn: (log: string) => log.includes('goes on from step 20') && !log.includes('step=20/'),
  },
  {
    name: 'torch-hf-trainer',
    short: '--max_steps 20',
    offered: 'checkpoint-20',
    // It logs every five steps: of forty the last twenty are left.
    goesOn: (log: string) => log.match(/'loss'/g)?.length === 4 && log.includes('steps=40'),
  },
  {
    name: 'lightning',
    short: '--epochs 2',
    offered: 'epoch=1-step=32.ckpt',
    goesOn: (log: string) => log.includes('epoch 2 begins at step 32') && !log.includes('epoch 1 begins'),
  },
] as const;

/** No example of ours: Lightning's checkpoints are found as the others' are. */
const lightning = {
  framework: 'torch',
  command:
    'torchrun lightning_train.py --output "$GANTRY_RUN_DIR/checkpoints" --resume "$GANTRY_RESUME_FROM" --epochs 4',
  replicas: 2,
  resources: { cpu: 1, memory: '2GiB' },
  timeLimit: '20m',
} as const;

export const torchResume: Check = async (world) => {
  const { client } = await world.platform();
  const said: string[] = [];
  for (const { name, short, offered, goesOn } of cases) {
    const workdir = join(world.dir, name);
    const isExample = name !== 'lightning';
    await cp(isExample ? join(examplesDir, name) : peersDir, workdir, { recursive: true });
    const file = isExample ? await readJob(join(workdir, 'job.yaml')) : lightning;
    const whole = String(file.command);
    const command = [
      'if [ "$GANTRY_EPOCH" = 1 ]; then',
      `  ${whole} ${short} || true`,
      // Infrastructure's fault: it costs the user no retry.
      '  exit 75',
      'fi',
      'echo "offered $GANTRY_RESUME_FROM"',
      whole,
    ].join('\n');
    const body = { ...file, command, name: `${name}-again`, workdir, retries: 0 };
    await client.call('jobs.submit', { body });
    const job = await jobEnd(client, body.name);
    const log = await allLogs(client, body);
    if (job.state !== 'succeeded')
      throw new Error(`${body.name} ended ${job.state}: ${job.exitMessage}\n${log}`);
    if (job.attempts?.length !== 2) throw new Error(`${body.name} took ${job.attempts?.length} attempts`);
    if (!new RegExp(`offered \\S*/${offered}\\n`).test(log))
      throw new Error(`${offered} was not offered:\n${log}`);
    if (!goesOn(log)) throw new Error(`${name} did not go on from it:\n${log}`);
    said.push(`${name.replace('torch-', '')} from ${offered}`);
  }
  return said.join(', ');
};
