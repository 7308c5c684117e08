/**
 * A database in memory starts from an image of the migrated state: a copy opens in a fraction of the time that
 * Postgres takes to make itself and to migrate. The image is made once for an install and kept beside the code.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import type { Queryable } from './database.ts';
import { migrate } from './migrate.ts';
import { migrations } from './migrations.ts';

let image: Promise<Blob | File> | undefined;

export function memoryImage(asQueryable: (database: PGlite) => Queryable): Promise<Blob | File> {
  image ??= keptOrMade(asQueryable);
  return image;
}

async function keptOrMade(asQueryable: (database: PGlite) => Queryable): Promise<Blob | File> {
  const file = await imageFile();
  const kept = await readFile(file).catch(() => undefined);
  if (kept !== undefined) return new Blob([new Uint8Array(kept)]);
  const made = await make(asQueryable);
  // Where it may not be written or has no room, the next process makes its own.
  await keep(file, made).catch(() => undefined);
  return made;
}

/** One for each PGlite and each schema: another version never reads it. */
async function imageFile(): Promise<string> {
  const entry = createRequire(import.meta.url).resolve('@electric-sql/pglite');
  const modules = entry.slice(0, entry.lastIndexOf('node_modules') + 'node_modules'.length);
  const manifest = await readFile(join(dirname(entry), '..', 'package.json'));
  const key = createHash('sha256')
    .update(manifest)
    .update(JSON.stringify(migrations))
    .update(String(migrate));
  return join(modules, '.cache', 'gantry', `memory-${key.digest('hex').slice(0, 16)}.tar`);
}

async function make(asQueryable: (database: PGlite) => Queryable): Promise<Blob | File> {
  const fresh = await PGlite.create();
  await migrate(asQueryable(fresh), (sql) => fresh.exec(sql));
  const dump = await fresh.dumpDataDir('none');
  await fresh.close();
  return dump;
}

async function keep(file: string, made: Blob): Promise<void> {
  const folder = dirname(file);
  await mkdir(folder, { recursive: true });
  const aside = `${file}.${randomUUID()}`;
  try {
    await writeFile(aside, new Uint8Array(await made.arrayBuffer()));
    await rename(aside, file);
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
  for (const name of await readdir(folder))
    if (/^memory-[0-9a-f]{16}\.tar$/.test(name) && name !== basename(file))
      await rm(join(folder, name), { force: true });
}
