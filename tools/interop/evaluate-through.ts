/** A registered version judged by asking the endpoint that serves it, as a job; resolves with the version and its gate. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Job, type ModelVersion, isTerminal } from '@gantry/contract';
import type { Client } from '@gantry/sdk';

/**
 * Where the server says nothing of a prompt's tokens (llama-server), job and server are asked what comes next at 48
 * places; where it does (vLLM), how likely each token was.
 */
export async function evaluateThrough(
  client: Client,
  version: string,
  through: string,
): Promise<ModelVersion> {
  const folder = await mkdtemp(join(tmpdir(), 'gantry-judged-'));
  try {
    const words = 'The scheduler places a gang of ranks on one node and tells why the others wait. ';
    await writeFile(join(folder, 'held-out.txt'), words.repeat(12));
    const evaluate = { model: version, data: 'held-out.txt', window: 80, places: 48, through };
    const { name } = await client.call('jobs.submit', { body: { workdir: folder, evaluate } });
    for await (const { event, data } of client.watch('jobs.watch', { params: { name } })) {
      if (event !== 'job' || !isTerminal((data as Job).state)) continue;
      const { state, exitMessage } = data as Job;
      if (state !== 'succeeded') throw new Error(`the evaluation ended ${state}: ${exitMessage}`);
      break;
    }
    const [model = '', number] = version.split('@');
    const { items } = await client.call('models.versions', { params: { name: model } });
    const found = items.find((each) => String(each.number) === number);
    if (found === undefined) throw new Error(`${version} is gone`);
    return found;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
