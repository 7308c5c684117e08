/** A whole platform in this process, on a data directory of its own, with a tiny model trained and registered. */
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { jobEnd } from '../../apps/server/src/e2e/testing/follow.ts';
import { silentLogger } from '../../apps/server/src/e2e/testing/silent-logger.ts';
import { readOptions } from '../../apps/server/src/options.ts';
import { serve } from '../../apps/server/src/serve.ts';
import { type Client, createClient } from '../../packages/sdk/src/index.ts';

export interface Platform extends AsyncDisposable {
  readonly dataDir: string;
  readonly url: string;
  /** host:port of its gRPC front. */
  readonly grpc: string;
  readonly key: string;
  readonly client: Client;
  /** The registered model's files as the registry would hand them out: config, tokenizer, safetensors, GGUF. */
  readonly modelDir: string;
}

export async function bootPlatform(dir: string): Promise<Platform> {
  const texts = join(dir, 'texts');
  await mkdir(texts, { recursive: true });
  await writeFile(join(texts, 'a.txt'), 'The scheduler places every gang whole or not at all.\n'.repeat(400));
  const dataDir = join(dir, 'd');
  const server = await serve(
    readOptions(['--data-dir', dataDir, '--port', '0', '--grpc-port', '0'], {}, process.getuid?.()),
    silentLogger(),
  );
  const key = (await readFile(join(dataDir, 'keys', 'operator.key'), 'utf8')).trim();
  const client = createClient({ baseUrl: server.url, key });
  const platform = {
    dataDir,
    url: server.url,
    grpc: `127.0.0.1:${server.grpcPort}`,
    key,
    client,
    [Symbol.asyncDispose]: async () => {
      for (const { name } of (await client.call('endpoints.list', {})).items)
        await client.call('endpoints.delete', { params: { name } });
      const { runner } = server.platform.deps;
      for (const { workerId } of await runner.list())
        await runner.stop(workerId, { graceMs: 2_000 }).catch(() => undefined);
      await server[Symbol.asyncDispose]();
    },
  };
  try {
    await client.call('jobs.submit', {
      body: {
        name: 'learn',
        workdir: texts,
        train: { recipe: 'language-model', data: ['*.txt'], depth: 2, steps: 100, batchTokens: 512 },
        resources: { cpu: 1, memory: '1GiB' },
        register: 'tiny',
      },
    });
    const job = await jobEnd(client, 'learn');
    if (job.state !== 'succeeded') throw new Error(`training ended ${job.state}: ${job.exitMessage}`);
    const version = (await client.call('models.versions', { params: { name: 'tiny' } })).items[0];
    const modelDir = join(dir, 'model');
    for (const { path, digest } of version?.files ?? []) {
      const hex = digest.replace('sha256:', '');
      await mkdir(dirname(join(modelDir, path)), { recursive: true });
      await symlink(join(dataDir, 'blobs', 'sha256', hex.slice(0, 2), hex.slice(2)), join(modelDir, path));
    }
    return { ...platform, modelDir };
  } catch (error) {
    await platform[Symbol.asyncDispose]();
    throw error;
  }
}
