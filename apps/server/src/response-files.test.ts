import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { createResponseFiles } from './response-files.ts';

const logger = pino({ level: 'silent' });
const kept = (id: string) => ({
  tenantId: 'acme',
  id,
  stored: { model: 'chat', input: [{ content: 'hi' }], response: { id }, bytes: 10 },
});

it('finds after a restart what was kept and not removed, and clears away what is half written', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'gantry-responses-'));
  try {
    {
      await using files = createResponseFiles(dir, logger);
      expect(await files.load()).toEqual([]);
      for (const id of ['a', 'b', 'c']) files.save(kept(id));
      files.remove('acme', 'b');
      files.remove('zeta', 'a');
    }
    await writeFile(join(dir, 'cut.json'), '{"tenantId":"acme","id"');
    await writeFile(join(dir, 'd.json.tmp'), '');
    await using files = createResponseFiles(dir, logger);
    const found = await files.load();
    expect(new Set(found.map(({ id }) => id))).toEqual(new Set(['a', 'c']));
    expect(found.find(({ id }) => id === 'a')).toEqual(kept('a'));
    expect(await readdir(dir)).toHaveLength(2);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
