/**
 * Sampled requests with their answers, as JSON lines by endpoint: bounded, since a log is no archive. Two files of
 * 16 MiB each take turns; what the disk does not take is dropped and counted, never waited for by a request.
 */
import { mkdir, open, readFile, rename, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { PayloadRecord } from '@gantry/gateway';
import type { Logger } from 'pino';

export interface PayloadLog extends AsyncDisposable {
  /** Never throws, never blocks. */
  add(record: PayloadRecord): void;
  /** Newest first. */
  read(endpointId: string, limit: number): Promise<readonly unknown[]>;
  remove(endpointId: string): Promise<void>;
}

export interface PayloadLogOptions {
  readonly dir: string;
  readonly logger: Logger;
  readonly nowMs: () => number;
  readonly maxFileBytes?: number;
}

/** Waiting for the disk, all endpoints together; more is dropped. */
const maxWaiting = 1_000;

export function createPayloadLog({
  dir,
  logger,
  nowMs,
  maxFileBytes = 16 * 1024 ** 2,
}: PayloadLogOptions): PayloadLog {
  const fileOf = (endpointId: string): string => join(dir, `${endpointId}.jsonl`);
  const sizes = new Map<string, number>();
  let waiting: { readonly endpointId: string; readonly line: string }[] = [];
  let dropped = 0;
  let work: Promise<void> = Promise.resolve();

  const append = async (endpointId: string, lines: string): Promise<void> => {
    const path = fileOf(endpointId);
    await mkdir(dir, { recursive: true, mode: 0o700 });
    let file: FileHandle = await open(path, 'a', 0o600);
    try {
      const bytes = sizes.get(endpointId) ?? (await file.stat()).size;
      if (bytes > maxFileBytes) {
        await file.close();
        await rename(path, `${path}.1`);
        file = await open(path, 'a', 0o600);
      }
      await file.write(lines);
      sizes.set(endpointId, (bytes > maxFileBytes ? 0 : bytes) + Buffer.byteLength(lines));
    } finally {
      await file.close();
    }
  };
  const flush = async (): Promise<void> => {
    const batch = waiting;
    waiting = [];
    for (const [endpointId, entries] of Map.groupBy(batch, (entry) => entry.endpointId))
      await append(endpointId, entries.map(({ line }) => line).join('')).catch((error: unknown) => {
        dropped += entries.length;
        logger.warn({ endpointId, dropped, error: String(error) }, 'payloads could not be kept');
      });
  };
  /** One after the other: writes, reads and removals see each other's end. */
  const inTurn = <T>(act: () => Promise<T>): Promise<T> => {
    const turn = work.then(act);
    work = turn.then(
      () => undefined,
      () => undefined,
    );
    return turn;
  };

  return {
    add: (record) => {
      if (waiting.length >= maxWaiting) {
        dropped++;
        return;
      }
      const { endpointId, tenantId: _tenantId, ...kept } = record;
      waiting.push({
        endpointId,
        line: `${JSON.stringify({ at: new Date(nowMs()).toISOString(), ...kept })}\n`,
      });
      if (waiting.length === 1) void inTurn(flush);
    },
    read: (endpointId, limit) =>
      inTurn(async () => {
        await flush();
        const found: unknown[] = [];
        for (const path of [fileOf(endpointId), `${fileOf(endpointId)}.1`]) {
          const text = await readFile(path, 'utf8').catch(() => '');
          for (const line of text.split('\n').reverse()) {
            if (found.length >= limit) return found;
            const value = parsed(line);
            if (value !== undefined) found.push(value);
          }
        }
        return found;
      }),
    remove: (endpointId) =>
      inTurn(async () => {
        waiting = waiting.filter((entry) => entry.endpointId !== endpointId);
        sizes.delete(endpointId);
        await rm(fileOf(endpointId), { force: true });
        await rm(`${fileOf(endpointId)}.1`, { force: true });
      }),
    [Symbol.asyncDispose]: () => inTurn(flush),
  };
}

/** A line that a crash cut off is none. */
function parsed(line: string): unknown {
  try {
    return line === '' ? undefined : JSON.parse(line);
  } catch {
    return undefined;
  }
}
