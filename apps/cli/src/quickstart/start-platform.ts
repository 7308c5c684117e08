import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Node } from '@gantry/contract';
import { formatDuration } from '@gantry/kit';
import { type Client, createClient } from '@gantry/sdk';
import { readServer } from '../connection.ts';
import { freePort, startServer } from '../server-process.ts';
import { sayStep } from './say-step.ts';

export interface Platform {
  readonly url: string;
  readonly key: string;
  readonly client: Client;
}

/** The server of this data directory: the one that runs, or a new one on the first free port. */
export async function startPlatform(dataDir: string, port: number): Promise<Platform> {
  const startedMs = Date.now();
  const running = readServer(dataDir);
  const { url } = running ?? (await startServer({ dataDir, args: ['--port', String(await freePort(port))] }));
  const key = readFileSync(join(dataDir, 'keys', 'operator.key'), 'utf8').trim();
  const client = createClient({ baseUrl: url, key });
  const status = await client.call('status.get', {});
  const node = (await client.call('nodes.list', {})).items[0];
  sayStep(
    'platform up',
    formatDuration(Date.now() - startedMs),
    `${url} · ${status.database}${machine(node)}`,
  );
  return { url, key, client };
}

function machine(node: Node | undefined): string {
  if (node === undefined) return '';
  const [first] = node.devices;
  const devices = first === undefined ? 'no GPU' : `${node.devices.length} × ${first.model}`;
  return ` · ${node.cpuMilli / 1000} CPUs, ${devices}`;
}
