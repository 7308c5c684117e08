import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { warmHost } from './warm-host.ts';

let cache: string;
let said: string[];
const logger = {
  info: (_fields: object, message: string) => void said.push(message),
  warn: (_fields: object, message: string) => void said.push(message),
} as unknown as Parameters<typeof warmHost>[1];
const worker = join(import.meta.dirname, '..', '..', 'worker', 'src', 'main.ts');

beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'gantry-warm-'));
  said = [];
});
afterEach(() => rm(cache, { recursive: true, force: true }));

const until = async (isTrue: () => Promise<boolean>): Promise<void> => {
  for (const endMs = Date.now() + 60_000; Date.now() < endMs;) {
    if (await isTrue()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('it never came');
};

it('leaves the code of every engine in the cache that workers read, once', async () => {
  await using first = warmHost(worker, logger, cache);
  await until(async () => said.length > 0);
  expect(said).toEqual(['this machine is warm for engines']);
  const [compiled = ''] = (await readdir(cache)).filter((name) => name.startsWith('v'));
  // Ours and node-llama-cpp's.
  expect((await readdir(join(cache, compiled))).length).toBeGreaterThan(100);
  expect(await readFile(join(cache, 'warmed'), 'utf8')).toContain(worker);
  await using again = warmHost(worker, logger, cache);
  await again[Symbol.asyncDispose]();
  await first[Symbol.asyncDispose]();
  expect(said).toHaveLength(1);
});

it('is no matter to the server where it fails or the server ends before it', async () => {
  await using failing = warmHost(join(cache, 'none.ts'), logger, cache);
  await until(async () => said.length > 0);
  expect(said).toEqual(['this machine could not be warmed for engines']);
  await failing[Symbol.asyncDispose]();
  const cut = warmHost(worker, logger, cache);
  await cut[Symbol.asyncDispose]();
  expect(said).toHaveLength(1);
  expect(await readdir(cache)).not.toContain('warmed');
});
