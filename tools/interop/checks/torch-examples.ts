/**
 * examples/torchrun.yaml and the files in examples/torch-* as their user would run them: the job file as it stands, on
 * the booted platform, with torch from PyPI. The Trainer's also with one rank, by the job file's `replicas` alone.
 */
import { cp, mkdir, readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { jobEnd } from '../../../apps/server/src/e2e/testing/follow.ts';
import type { JobSpecInput } from '../../../packages/contract/src/index.ts';
import type { Client } from '../../../packages/sdk/src/index.ts';
import type { Check } from '../check.ts';

export const examplesDir = join(import.meta.dirname, '..', '..', '..', 'examples');

type NamedJob = JobSpecInput & { readonly name: string };

export const torchExamples: Check = async (world) => {
  const { client } = await world.platform();
  const said: string[] = [];
  const run = async (short: string, body: NamedJob, printsLosses: boolean): Promise<void> => {
    const startedAt = performance.now();
    const loss = await runExample(client, body, printsLosses);
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(0);
    said.push(
      `${short} ×${body.replicas ?? 1} ${seconds} s${loss === undefined ? '' : ` loss ${loss.toFixed(3)}`}`,
    );
  };

  const workdir = join(world.dir, 'torchrun');
  await mkdir(workdir);
  const torchrun = await readJob(join(examplesDir, 'torchrun.yaml'));
  await run('torchrun', { ...torchrun, name: 'torchrun', workdir }, false);

  for (const name of (await readdir(examplesDir)).filter((each) => each.startsWith('torch-')).toSorted()) {
    if (name.endsWith('.ts')) continue;
    const dir = join(world.dir, name);
    await cp(join(examplesDir, name), dir, { recursive: true });
    const file = await readJob(join(dir, 'job.yaml'));
    const body = { ...file, name: `${name}-${file.replicas ?? 1}`, workdir: dir };
    await run(name.replace('torch-', ''), body, true);
    if (name === 'torch-ddp')
      await run('ddp by c10d', { ...body, name: 'ddp-c10d', env: { PET_RDZV_BACKEND: 'c10d' } }, true);
    if (name !== 'torch-hf-trainer') continue;
    // The same script and command on one rank: how many is a matter of the job file alone. Its tracker is told where
    // to write by the environment.
    const command = String(file.command).replace('--report_to none', '--report_to tensorboard');
    const shown = `${command} && find "$TENSORBOARD_LOGGING_DIR" -name 'events.out.*'`;
    await run('hf-trainer', { ...body, name: 'hf-alone', replicas: 1, command: shown }, true);
    if (!(await allLogs(client, { name: 'hf-alone' })).includes('/tensorboard/'))
      throw new Error('the Trainer wrote no TensorBoard events to the run');
  }
  return said.join(', ');
};

/** The last loss that the platform read from what the job printed. */
async function runExample(
  client: Client,
  body: NamedJob,
  printsLosses: boolean,
): Promise<number | undefined> {
  await client.call('jobs.submit', { body });
  const job = await jobEnd(client, body.name);
  if (job.state !== 'succeeded')
    throw new Error(`${body.name} ended ${job.state}: ${job.exitMessage}\n${await allLogs(client, body)}`);
  const loss = job.progress?.loss ?? undefined;
  if (printsLosses && loss === undefined)
    throw new Error(`${body.name}: no loss was read from what it printed`);
  return loss;
}

/** What every rank wrote last: a launcher's own report at the end of a rank's errors says nothing of the cause. */
export async function allLogs(client: Client, { name, replicas = 1 }: NamedJob): Promise<string> {
  const decoder = new TextDecoder();
  const parts: string[] = [];
  for (let rank = 0; rank < replicas; rank += 1)
    for (const stream of ['stdout', 'stderr'] as const) {
      let text = '';
      for await (const chunk of client.log('jobs.logs', { params: { name }, query: { rank, stream } }))
        text += decoder.decode(chunk, { stream: true });
      parts.push(`--- rank ${rank} ${stream}`, text.slice(-3_000));
    }
  return parts.join('\n');
}

export const readJob = async (path: string): Promise<JobSpecInput> =>
  parse(await readFile(path, 'utf8')) as JobSpecInput;
