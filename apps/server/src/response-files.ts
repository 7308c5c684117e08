/**
 * Responses that clients may ask for again, on disk: a file each, written aside and renamed, so that a restart finds
 * them whole. What memory has no room for goes from here too, which bounds both.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeptResponse, ResponseKeeper } from '@gantry/gateway';
import type { Logger } from 'pino';

export interface ResponseFiles extends ResponseKeeper, AsyncDisposable {
  /** All that lie there, oldest first. */
  load(): Promise<readonly KeptResponse[]>;
}

export function createResponseFiles(dir: string, logger: Logger): ResponseFiles {
  const fileOf = (tenantId: string, id: string): string =>
    join(dir, `${createHash('sha256').update(`${tenantId} ${id}`).digest('hex')}.json`);
  let work: Promise<void> = Promise.resolve();
  /** One after the other, so that a removal follows the write it undoes. Nobody waits for it. */
  const later = (act: () => Promise<void>): void => {
    work = work.then(act).catch((error: unknown) => {
      logger.warn({ error: String(error) }, 'a response could not be kept on disk');
    });
  };
  return {
    load: async () => {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      const found: { readonly kept: KeptResponse; readonly mtimeMs: number }[] = [];
      for (const name of await readdir(dir)) {
        const path = join(dir, name);
        const kept = name.endsWith('.json') ? parsed(await readFile(path, 'utf8')) : undefined;
        if (kept === undefined) await rm(path, { force: true });
        else found.push({ kept, mtimeMs: (await stat(path)).mtimeMs });
      }
      return found.sort((one, other) => one.mtimeMs - other.mtimeMs).map(({ kept }) => kept);
    },
    save: (kept) =>
      later(async () => {
        const path = fileOf(kept.tenantId, kept.id);
        await writeFile(`${path}.tmp`, JSON.stringify(kept), { mode: 0o600 });
        await rename(`${path}.tmp`, path);
      }),
    remove: (tenantId, id) => later(() => rm(fileOf(tenantId, id), { force: true })),
    [Symbol.asyncDispose]: () => work,
  };
}

/** Undefined: a half-written file of a server that was killed, or none of ours. */
function parsed(text: string): KeptResponse | undefined {
  try {
    const kept = JSON.parse(text) as KeptResponse;
    const isWhole = typeof kept.tenantId === 'string' && Array.isArray(kept.stored.input);
    return isWhole ? kept : undefined;
  } catch {
    return undefined;
  }
}
