/** Replicas that are gangs: ranks of vLLM and SGLang (doubles of them) through the real scheduler and runner. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Endpoint } from '@gantry/contract';
import { writePermutationModel } from '@gantry/engines/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endpointWhen } from './e2e/testing/follow.ts';
import { until } from './e2e/testing/until.ts';
import { type Process, processesOf } from './e2e/testing/processes.ts';
import { type MemoryServer, startMemoryServer } from './testing/memory-server.ts';

const double = join(import.meta.dirname, 'testing', 'sharded-double.ts');
const program = [process.execPath, double];
const resources = { cpu: 0.1, memory: 256 * 1024 ** 2 };
let home: MemoryServer;
let models: string;

beforeAll(async () => {
  models = await mkdtemp(join(tmpdir(), 'gantry-sharded-'));
  home = await startMemoryServer();
  const path = join(models, 'lm.gguf');
  await writePermutationModel(path);
  await home.operator.call('models.import', { body: { name: 'lm', path } });
});

afterAll(async () => {
  await home[Symbol.asyncDispose]();
  await rm(models, { recursive: true, force: true });
});

const when = (name: string, isSo: (endpoint: Endpoint) => boolean): Promise<Endpoint> =>
  endpointWhen(home.operator, name, isSo);

const logOf = async (name: string, rank: number, replica?: string): Promise<string> => {
  const query = { rank, ...(replica === undefined ? {} : { replica }) };
  let log = '';
  const decoder = new TextDecoder();
  for await (const chunk of home.operator.log('endpoints.logs', { params: { name }, query }))
    log += decoder.decode(chunk, { stream: true });
  return log;
};

/** The programs themselves, without what walls them in. */
const running = () =>
  processesOf(home.server.platform.dataDir).filter(({ command }) => command.startsWith(program.join(' ')));

/** It may have been killed as one that stood still. */
function resume(pid: number): void {
  try {
    process.kill(pid, 'SIGCONT');
  } catch {
    // gone already
  }
}

describe.each([
  { kind: 'vllm', tensor: 2, pipeline: 2, ranks: 2 },
  { kind: 'sglang', tensor: 3, pipeline: 1, ranks: 3 },
] as const)('a replica of $kind in $ranks ranks', (sizes) => {
  it('is placed whole, meets, answers from its first rank, and ends and begins again as one', async () => {
    const name = `big-${sizes.kind}`;
    const engine = { ...sizes, device: 'cpu' as const, program };
    await home.operator.call('endpoints.create', { body: { name, model: 'lm', resources, engine } });
    const { replicas } = await when(name, ({ state }) => state === 'ready');
    expect(replicas).toMatchObject([
      { state: 'ready', ranks: Array.from({ length: sizes.ranks }, () => ({ devices: [] })) },
    ]);
    const devices = sizes.tensor * sizes.pipeline;
    const asked = { key: home.operatorKey, body: { model: name, prompt: 'x' } };
    const { body } = await home.ask('POST', '/v1/completions', asked);
    expect(body.choices[0].text).toBe(`lm@1 on ${devices}`);
    for (let rank = 0; rank < sizes.ranks; rank++)
      expect(await logOf(name, rank)).toContain(
        `rank ${rank} of ${sizes.ranks}, ${devices / sizes.ranks} devices`,
      );

    // One rank dies: the gang has ended, and a whole one takes its place. The others stand still until the end of that
    // one is written down: else they may lose it, be heard of and have it asked to end before its keeper knows.
    const [first] = replicas;
    const isVictim = ({ workerId = '' }: Process): boolean => workerId.endsWith(`-${sizes.ranks - 1}`);
    const ranks = running();
    const victim = ranks.find(isVictim);
    const others = ranks.filter((each) => !isVictim(each));
    for (const { pid } of others) process.kill(pid, 'SIGSTOP');
    process.kill(victim?.pid ?? 0, 'SIGKILL');
    const end = join(home.server.platform.dataDir, 'workers', victim?.workerId ?? '', 'exit.json');
    await until('its end is written down', () => existsSync(end));
    for (const { pid } of others) resume(pid);
    const again = await when(
      name,
      ({ replicas: [each] }) => each?.state === 'ready' && each.id !== first?.id,
    );
    expect(again.replicas).toHaveLength(1);
    expect(again.replicas[0]).toMatchObject({
      restarts: 1,
      message: expect.stringContaining(`rank ${sizes.ranks - 1}: `),
    });

    // Neither program finishes its answers when it is told to end: it is told when they are finished.
    const slow = home.ask('POST', '/v1/completions', { ...asked, body: { model: name, prompt: 'slow' } });
    const busy = async () => (await home.operator.call('endpoints.stats', { params: { name } })).inFlight;
    await until('it is asked', async () => (await busy()) === 1);
    await home.operator.call('endpoints.delete', { params: { name } });
    expect((await slow).status).toBe(200);
    await until('every rank has left', () => running().length === 0);
  });
});

describe('a sharded engine', () => {
  it('is refused where its sizes do not fit, with what to do', async () => {
    const make = (body: object) =>
      home.ask('POST', '/api/v1/endpoints', {
        key: home.operatorKey,
        body: { name: 'wrong', model: 'lm', ...body },
      });
    const engine = { kind: 'vllm', tensor: 4, ranks: 2 };
    const unequal = await make({ engine: { ...engine, ranks: 3 } });
    expect(unequal.status).toBe(422);
    expect(unequal.text).toContain('must divide tensor × pipeline');
    const devices = await make({ engine, resources: { gpu: 4 } });
    expect(devices.status).toBe(422);
    expect(devices.body).toMatchObject({ error: { hint: expect.stringContaining('resources.gpu') } });
    const both = await make({ engine, server: { command: ['serve'] } });
    expect(both.text).toContain('an endpoint has one server');
    const adapted = await make({ engine, adapters: [{ name: 'a', model: 'lm' }] });
    expect(adapted.text).toContain('adapters needs a decoder of ours');
  });

  it('that no machine can hold is refused; told to wait it waits whole: nothing of it is started', async () => {
    const engine = { kind: 'vllm' as const, tensor: 4, ranks: 2, program };
    const body = { name: 'huge', model: 'lm', resources, engine };
    await expect(home.operator.call('endpoints.create', { body })).rejects.toMatchObject({
      code: 'unsatisfiable_request',
      message: expect.stringMatching(/no machine here could ever run this: .*devices/) as string,
      hint: expect.stringContaining('waitForCapacity') as string,
    });
    await home.operator.call('endpoints.create', { body: { ...body, waitForCapacity: true } });
    const { replicas } = await when('huge', (each) => each.replicas.length === 1);
    expect(replicas[0]).toMatchObject({ state: 'queued' });
    expect(running()).toEqual([]);
    await home.operator.call('endpoints.delete', { params: { name: 'huge' } });
  });
});
