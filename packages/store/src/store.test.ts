import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { hasEmbeddedPostgres } from './embedded/embedded-postgres.ts';
import { openStore } from './index.ts';
import { storeSuite } from './store.suite.ts';

storeSuite('the store on PGlite', () => openStore({ kind: 'memory' }));

if (hasEmbeddedPostgres()) {
  const dataDir = mkdtempSync(join(tmpdir(), 'gantry-store-'));
  afterAll(() => rmSync(dataDir, { recursive: true, force: true }));
  storeSuite('the store on its own Postgres', () => openStore({ kind: 'embedded', dataDir }));
}
