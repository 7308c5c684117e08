/** Where the rounds play: a server that can be killed and started again, a served model, and the auditor's books. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writePermutationModel } from '@gantry/engines/testing';
import { ask } from './asking.ts';
import { type Books, createBooks } from './books.ts';
import { processesOf } from './processes.ts';
import { type ServerProcess, startServer } from './server-process.ts';
import { until } from './until.ts';

const replicaCpu = 0.25;
/** The served model that is asked all the while. */
export const endpoint = 'known';

export interface World {
  readonly dataDir: string;
  readonly witnessDir: string;
  readonly textsDir: string;
  readonly books: Books;
  readonly server: () => ServerProcess;
  restart(): Promise<void>;
  /** Ends all; answers what would not go by itself. */
  close(): Promise<readonly string[]>;
}

export async function createWorld(options: {
  readonly dir: string;
  readonly onLog?: (text: string) => void;
}): Promise<World> {
  const dataDir = join(options.dir, 'd');
  const [witnessDir, textsDir] = [join(options.dir, 'witness'), join(options.dir, 'texts')];
  for (const folder of [witnessDir, textsDir]) await mkdir(folder, { recursive: true });
  for (let file = 0; file < 3; file += 1) {
    const lines = Array.from({ length: 60 }, (_, line) => `The scheduler places gang ${file + line} whole.`);
    await writeFile(join(textsDir, `${file}.txt`), lines.join('\n'));
  }
  const modelPath = join(options.dir, 'known.gguf');
  await writePermutationModel(modelPath);
  const start = (): Promise<ServerProcess> =>
    startServer({ dataDir, ...(options.onLog === undefined ? {} : { onLog: options.onLog }) });
  let server = await start();
  const { client } = server;
  await client.call('models.import', { body: { name: 'known', path: modelPath } });
  const resources = { cpu: replicaCpu, memory: '256MiB' };
  await client.call('endpoints.create', { body: { name: endpoint, model: 'known', slots: 2, resources } });
  const { items } = await client.call('nodes.list', {});
  const books = createBooks((items[0]?.cpuMilli ?? 0) / 1_000, replicaCpu);
  await until('the endpoint answers', async () => (await ask(server, endpoint, 'the')) !== undefined);
  return {
    dataDir,
    witnessDir,
    textsDir,
    books,
    server: () => server,
    restart: async () => {
      server = await start();
    },
    close: async () => {
      await server.client.call('endpoints.delete', { params: { name: endpoint } }).catch(() => undefined);
      await until('no worker is left', () =>
        processesOf(dataDir).every(({ role }) => !['rank', 'shim', 'engine'].includes(role)),
      ).catch(() => undefined);
      await server.end('SIGTERM');
      await until('all have left', () => processesOf(dataDir).length === 0).catch(() => undefined);
      const left = processesOf(dataDir);
      for (const { pid } of left) process.kill(pid, 'SIGKILL');
      return left.map(({ role, command }) => `left behind: ${role} ${command}`);
    },
  };
}
