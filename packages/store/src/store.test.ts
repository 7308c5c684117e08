import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { hasEmbeddedPostgres } from './embedded/embedded-postgres.ts';
import { openStore } from './index.ts';
import { storeSuite } from './store.suite.ts';

storeSuite('the store on PGlite', () => openStore({ kind: 'memory' }));

test('PGlite in files keeps what was committed when its process is killed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-pglite-'));
  const module = new URL('./index.ts', import.meta.url).href;
  const script = `
    const { openStore } = await import(${JSON.stringify(module)});
    const store = await openStore({ kind: 'pglite', dataDir: ${JSON.stringify(folder)} });
    await store.tx({ tenantId: 'a' }, (tx) =>
      tx.insert({ kind: 'job', id: 'job_1', tenantId: 'a', name: 'one', state: 'queued', spec: {}, status: {} }));
    process.kill(process.pid, 'SIGKILL');`;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  expect([child.signal, child.stderr]).toEqual(['SIGKILL', '']);
  {
    await using store = await openStore({ kind: 'pglite', dataDir: folder });
    const row = await store.read({ tenantId: 'a' }, (tx) => tx.byName('job', 'a', 'one'));
    expect(row).toMatchObject({ id: 'job_1', version: 1 });
    expect(await store.read({ tenantId: 'b' }, (tx) => tx.get('job', 'job_1'))).toBeUndefined();
  }
  rmSync(folder, { recursive: true, force: true });
}, 180_000);

if (hasEmbeddedPostgres()) {
  const dataDir = mkdtempSync(join(tmpdir(), 'gantry-store-'));
  afterAll(() => rmSync(dataDir, { recursive: true, force: true }));
  storeSuite('the store on its own Postgres', () => openStore({ kind: 'embedded', dataDir }));
}
