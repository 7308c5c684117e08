import { appendFile, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PayloadRecord } from '@gantry/gateway';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createPayloadLog } from './payload-log.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gantry-payloads-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const record = (id: string, text = ''): PayloadRecord => ({
  id,
  tenantId: 'acme',
  principalId: 'ada',
  endpointId: 'ept_1',
  revisionId: 'chat-1',
  status: 200,
  requestMs: 1,
  path: '/v1/completions',
  request: { bytes: text.length, json: { prompt: text } },
  answer: { bytes: 0 },
});
const logger = pino({ level: 'silent' });
const idsOf = (found: readonly unknown[]) => found.map((each) => (each as { id: string }).id);

it('gives the newest first, over a restart and a line that was cut off, and forgets a removed endpoint', async () => {
  {
    await using log = createPayloadLog({ dir, logger, nowMs: () => 0 });
    for (const id of ['a', 'b', 'c']) log.add(record(id));
  }
  await appendFile(join(dir, 'ept_1.jsonl'), '{"id":"cut');
  await using log = createPayloadLog({ dir, logger, nowMs: () => 0 });
  expect(idsOf(await log.read('ept_1', 2))).toEqual(['c', 'b']);
  expect((await stat(join(dir, 'ept_1.jsonl'))).mode & 0o077).toBe(0);
  await log.remove('ept_1');
  expect(await log.read('ept_1', 10)).toEqual([]);
  expect(await readdir(dir)).toEqual([]);
});

it('keeps two files of its size and no more', async () => {
  await using log = createPayloadLog({ dir, logger, nowMs: () => 0, maxFileBytes: 4_000 });
  for (let at = 0; at < 60; at++) {
    log.add(record(String(at), 'x'.repeat(500)));
    await log.read('ept_1', 1);
  }
  const files = await readdir(dir);
  expect(files.sort()).toEqual(['ept_1.jsonl', 'ept_1.jsonl.1']);
  for (const file of files) expect((await stat(join(dir, file))).size).toBeLessThan(6_000);
  expect(idsOf(await log.read('ept_1', 3))).toEqual(['59', '58', '57']);
});

it('drops what the disk does not take, and goes on', async () => {
  const path = join(dir, 'file');
  await writeFile(path, '');
  await using log = createPayloadLog({ dir: join(path, 'below'), logger, nowMs: () => 0 });
  log.add(record('a'));
  expect(await log.read('ept_1', 1)).toEqual([]);
});
