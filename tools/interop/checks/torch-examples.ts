/**
 * The files in examples/torch-* as their user would run them: the job file as it stands, on the booted platform, with
 * torch from PyPI. The Trainer's also with one rank and with three, by the job file's `replicas` alone.
 */
import { cp, readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { jobEnd } from '../../../apps/server/src/e2e/testing/follow.ts';
import type { JobSpecInput } from '../../../packages/contract/src/index.ts';
import type { Client } from '../../../packages/sdk/src/index.ts';
import type { Check } from '../check.ts';

const examples = join(import.meta.dirname, '..', '..', '..', 'examples');

export const torchExamples: Check = async (world) => {
  const { client } = await world.platform();
  const said: string[] = [];
  for (const name of (await readdir(examples)).filter((each) => each.startsWith('torch-')).toSorted()) {
    const dir = join(world.dir, name);
    await cp(join(examples, name), dir, { recursive: true });
    const file = parse(await readFile(join(dir, 'job.yaml'), 'utf8')) as JobSpecInput;
    // Two examples of the same script tell that ranks are a matter of the job file.
    for (const replicas of name === 'torch-hf-trainer' ? [1, 2] : [file.replicas ?? 1]) {
      const seconds = await runExample(client, {
        ...file,
        name: `${name}-${replicas}`,
        workdir: dir,
        replicas,
      });
      said.push(`${name.replace('torch-', '')} ×${replicas} ${seconds} s`);
    }
  }
  return said.join(', ');
};

async function runExample(client: Client, body: JobSpecInput & { name: string }): Promise<string> {
  const startedAt = performance.now();
  await client.call('jobs.submit', { body });
  const job = await jobEnd(client, body.name);
  if (job.state !== 'succeeded')
    throw new Error(`${body.name} ended ${job.state}: ${job.exitMessage}\n${job.stderrTail?.join('\n')}`);
  return ((performance.now() - startedAt) / 1_000).toFixed(0);
}
