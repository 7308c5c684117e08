/**
 * Real servers of tensors behind `gantry endpoint connect`: Triton, MLServer and TorchServe from PyPI. NVIDIA's clients
 * ask them through our two ports, over HTTP and over gRPC; then each is killed and comes back. One that cannot be
 * installed or started here is named and left out.
 */
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Client } from '@gantry/sdk';
import { endpointReady, endpointWhen } from '../../../apps/server/src/e2e/testing/follow.ts';
import { askPeer, type Check, type World } from '../check.ts';
import { StartedServer } from '../openai-servers/started-server.ts';
import type { Platform } from '../platform.ts';
import { furtherEnvironment } from '../python-environment.ts';
import { type Place, type TensorServerKind, tensorServerKinds } from '../tensor-servers/server-kinds.ts';

const patienceMs = 120_000;

export const tensorServers: Check = async (world) => {
  const platform = await world.platform();
  // Its environment has the clients, whatever the first one has.
  const client = await furtherEnvironment(world.python, { file: 'requirements-triton.txt' }).catch(
    () => world.python,
  );
  const saw: string[] = [];
  for (const kind of tensorServerKinds) {
    const python = await furtherEnvironment(world.python, kind.requirements).catch(() => undefined);
    if (python === undefined) {
      saw.push(`${kind.name} skipped: not to be had from PyPI here`);
      continue;
    }
    const dir = join(world.dir, kind.name);
    await mkdir(dir);
    const place = { python, dir, port: await freePort(), secondPort: await freePort() };
    await kind.prepare(place);
    const server = await StartedServer.start(() => kind.command(place), place.port).catch(
      (error: unknown) => `${kind.name} skipped: it does not start here (${String(error).slice(0, 300)})`,
    );
    if (typeof server === 'string') saw.push(server);
    else saw.push(await judge(kind, { ...world, python: client }, platform, place, server));
  }
  return saw.join('; ');
};

async function judge(
  kind: TensorServerKind,
  world: World,
  platform: Platform,
  place: Place,
  first: StartedServer,
): Promise<string> {
  let server = first;
  const { client, url, grpc, key } = platform;
  const ways = kind.speaksGrpc ? ['http', 'grpc'] : ['http'];
  const names = ways.flatMap((way) => kind.models.map((model) => ({ way, model, name: `${way}-${model}` })));
  try {
    for (const { way, model, name } of names)
      await client.call('endpoints.connect', {
        body: {
          name,
          engine: kind.engine,
          urls: [way === 'grpc' ? `grpc://127.0.0.1:${place.secondPort}` : `http://127.0.0.1:${place.port}`],
          modelName: model,
          ...(kind.name === 'torchserve' ? { managementPort: place.secondPort } : {}),
        },
      });
    for (const { name } of names) {
      const { remote } = await endpointReady(client, name, AbortSignal.timeout(patienceMs));
      const slots = remote?.servers[0]?.slots;
      if (name.endsWith('doubler') && slots !== kind.slots)
        throw new Error(`${kind.name} takes ${slots} at once instead of ${kind.slots}`);
    }
    const env = { KIND: kind.name, WAYS: ways.join(' '), HTTP: new URL(url).host, GRPC: grpc, KEY: key };
    await askPeer(world, 'tensor_servers.py', env);
    if (kind.name === 'triton') await unloadAndLoad(client, place);
    await server[Symbol.asyncDispose]();
    for (const { name } of names) await notReady(client, name);
    server = await StartedServer.start(() => kind.command(place), place.port);
    for (const { name } of names) await endpointReady(client, name, AbortSignal.timeout(patienceMs));
    await askPeer(world, 'tensor_servers.py', env);
    return `${kind.name}: ${ways.join(' and ')} asked over http and grpc, killed and back`;
  } catch (error) {
    throw new Error(`${kind.name}: ${String(error)}\n${server.lastWords}`, { cause: error });
  } finally {
    for (const { name } of names)
      await client.call('endpoints.delete', { params: { name } }).catch(() => undefined);
    await server[Symbol.asyncDispose]();
  }
}

/** A model that its operator takes out of the server: not ready here, then ready again. */
async function unloadAndLoad(client: Client, { port }: Place): Promise<void> {
  const say = async (verb: string): Promise<void> => {
    const path = `http://127.0.0.1:${port}/v2/repository/models/counter/${verb}`;
    const answer = await fetch(path, { method: 'POST', body: '{}' });
    if (!answer.ok) throw new Error(`${verb}: ${await answer.text()}`);
  };
  await say('unload');
  for (const way of ['http', 'grpc']) await notReady(client, `${way}-counter`);
  await say('load');
  for (const way of ['http', 'grpc'])
    await endpointReady(client, `${way}-counter`, AbortSignal.timeout(patienceMs));
}

const notReady = (client: Client, name: string): Promise<unknown> =>
  endpointWhen(client, name, ({ state }) => state !== 'ready', AbortSignal.timeout(patienceMs));

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as { port: number };
  probe.close();
  await once(probe, 'close');
  return port;
}
