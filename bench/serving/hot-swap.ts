/** An endpoint rolled to another version and back, again and again, under load: who was failed, and how long it took. */
import { join } from 'node:path';
import { answerAfter, writePermutationModel } from '@gantry/engines/testing';
import { createClient, type Client } from '@gantry/sdk';
import OpenAI from 'openai';
import type { BenchLine } from '../bench-line.ts';
import { startServer, withDataDir } from '../server.ts';
import { median } from './gateway-cost.ts';
import { servingLine } from './serving-line.ts';

const swaps = 6;
const clients = 8;
const answerTokens = 32;
const expected = answerAfter('l').slice(0, answerTokens);

interface Load extends AsyncDisposable {
  answered: number;
  readonly failed: unknown[];
  readonly waitsMs: number[];
}

export function hotSwap(): Promise<BenchLine[]> {
  return withDataDir(async (dataDir) => {
    await using server = await startServer(dataDir);
    const operator = createClient({ baseUrl: server.url, key: server.key });
    for (const seed of [1, 2]) {
      const path = join(dataDir, `swap-${seed}.gguf`);
      await writePermutationModel(path, { seed, layers: 6, width: 256 });
      await operator.call('models.import', { body: { name: 'swap', path } });
    }
    const resources = { cpu: 0.25, memory: 512 * 1024 ** 2, gpu: 0 };
    await operator.call('endpoints.create', { body: { name: 'swap', model: 'swap@1', slots: 4, resources } });
    await served(operator, 1);
    await using load = startLoad(
      new OpenAI({ baseURL: `${server.url}/v1`, apiKey: server.key, maxRetries: 0 }),
    );
    const timesMs: number[] = [];
    for (let swap = 0; swap < swaps; swap++) {
      const startedMs = performance.now();
      await operator.call('endpoints.update', {
        params: { name: 'swap' },
        body: { model: `swap@${swap % 2 === 0 ? 2 : 1}` },
      });
      await served(operator, swap + 2);
      timesMs.push(performance.now() - startedMs);
      const before = load.answered;
      while (load.answered < before + 2 * clients) await pause();
    }
    await load[Symbol.asyncDispose]();
    await operator.call('endpoints.delete', { params: { name: 'swap' } });
    const failed = load.failed.length;
    const took = median(timesMs);
    const longestMs = Math.max(...load.waitsMs);
    return [
      servingLine(
        `hot swap: failed of ${load.answered + failed} requests of ${clients} clients in ${swaps} swaps`,
        ...([failed, undefined, undefined, '0', failed === 0, 'requests', [failed]] as const),
      ),
      servingLine(
        'hot swap: from the update to the new version alone',
        ...([took, undefined, undefined, 'told', true, 'ms', timesMs] as const),
      ),
      servingLine(
        `hot swap: slowest answer of ${answerTokens} tokens (median ${median(load.waitsMs).toFixed(0)} ms)`,
        ...([longestMs, undefined, undefined, 'told', true, 'ms', [longestMs]] as const),
      ),
    ];
  });
}

/** Every second client streams. An answer that is not the model's counts as failed. */
function startLoad(client: OpenAI): Load {
  let isOver = false;
  const load = { answered: 0, failed: [] as unknown[], waitsMs: [] as number[] };
  const body = { model: 'swap', prompt: 'the l', temperature: 0, max_tokens: answerTokens };
  const ask = async (isStream: boolean): Promise<void> => {
    const startedMs = performance.now();
    let text = '';
    if (isStream)
      for await (const chunk of await client.completions.create({ ...body, stream: true }))
        text += chunk.choices[0]?.text ?? '';
    else text = (await client.completions.create(body)).choices[0]?.text ?? '';
    if (text !== expected) throw new Error(`a wrong answer: ${text}`);
    load.answered++;
    load.waitsMs.push(performance.now() - startedMs);
  };
  const workers = Array.from({ length: clients }, async (_, worker) => {
    // oxlint-disable-next-line no-unmodified-loop-condition -- set by the disposal
    while (!isOver) await ask(worker % 2 === 0).catch((error: unknown) => load.failed.push(error));
  });
  return Object.assign(load, {
    [Symbol.asyncDispose]: async () => {
      isOver = true;
      await Promise.all(workers);
    },
  });
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

/** Until the endpoint's `number`th revision is ready and no replica of another one is left. */
async function served(operator: Client, number: number): Promise<void> {
  for (;;) {
    const { state, replicas } = await operator.call('endpoints.get', { params: { name: 'swap' } });
    const isAlone = replicas.length > 0 && replicas.every(({ revision }) => revision === `swap-${number}`);
    if (state === 'ready' && isAlone) return;
    await pause();
  }
}
