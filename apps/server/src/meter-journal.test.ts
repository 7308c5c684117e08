import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type MeterLine, openMeterJournal } from './meter-journal.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gantry-journal-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const line = (id: string): MeterLine => ({
  at: '2026-01-02T03:04:05.000Z',
  record: {
    id,
    tenantId: 'ten_1',
    principalId: 'ann',
    endpointId: 'end_1',
    revisionId: undefined,
    replicaId: undefined,
    promptTokens: 3,
    completionTokens: 4,
    cachedTokens: 0,
    requestMs: 5,
    ttftMs: undefined,
    status: 200,
    isEstimated: false,
  },
});
const idsLeft = (file: string): readonly string[] => {
  using journal = openMeterJournal(file);
  return journal.left.map(({ record }) => record.id);
};

test('what an earlier server had not written is told to the next, but for a line cut in the middle', async () => {
  const file = join(dir, 'usage.journal');
  using journal = openMeterJournal(file);
  expect(journal.left).toEqual([]);
  journal.append(line('one'));
  journal.append(line('two'));
  await appendFile(file, JSON.stringify(line('three')).slice(0, 30));
  expect(idsLeft(file)).toEqual(['one', 'two']);
});

test('what is in the ledger goes: at once when nothing else waits, later under traffic without end', async () => {
  const file = join(dir, 'usage.journal');
  using journal = openMeterJournal(file);
  journal.append(line('one'));
  journal.keepOnly([]);
  expect(await readFile(file, 'utf8')).toBe('');

  const long = line('x'.repeat(1024 ** 2));
  for (let count = 0; count < 5; count += 1) journal.append(long);
  journal.keepOnly([line('waits')]);
  journal.append(line('new'));
  expect(idsLeft(file)).toEqual(['waits', 'new']);
});
