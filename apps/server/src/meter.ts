/**
 * Requests → ledger rows, in batches: a request answers without waiting for the books. A batch that cannot be
 * written is kept and tried again, also by the next server; the record's id makes a second write harmless.
 */
import { type Deps, isoNow } from '@gantry/control';
import type { MeterRecord } from '@gantry/gateway';
import type { MeterJournal } from './meter-journal.ts';
import { createTokenCost } from './serving-limits.ts';

export interface Meter extends AsyncDisposable {
  add(record: MeterRecord): void;
  flush(): Promise<void>;
}

export interface MeterOptions {
  readonly delayMs?: number;
  readonly journal: MeterJournal;
  /** Between two batches: everything answered is either in the ledger or in `unwritten` of its tenant, never in both. */
  readonly onWritten?: (unwritten: (tenantId: string) => number) => Promise<void>;
}

export function createMeter(deps: Deps, options: MeterOptions): Meter {
  const { delayMs = 200, journal, onWritten } = options;
  const tokenCost = createTokenCost(deps);
  let waiting = [...journal.left];
  let timer: NodeJS.Timeout | undefined;
  let writing = Promise.resolve();

  const write = async (): Promise<void> => {
    const batch = waiting.slice(0, 1_000);
    waiting = waiting.slice(batch.length);
    if (batch.length === 0) return tellWritten();
    try {
      await deps.store.tx({ platform: true }, async (tx) => {
        for (const { record, at } of batch) {
          for (const [resource, quantity] of [
            ['prompt_tokens', record.promptTokens],
            ['completion_tokens', record.completionTokens],
          ] as const) {
            if (quantity === 0) continue;
            const { perUnit, currency } = deps.prices.priceOf(resource, at);
            await tx.usage({
              id: `request:${record.id}:${resource}`,
              tenantId: record.tenantId,
              at,
              userId: record.principalId,
              endpointId: record.endpointId,
              resource,
              quantity,
              unit: 'tokens',
              price: perUnit,
              currency,
            });
          }
        }
      });
    } catch (error) {
      waiting = [...batch, ...waiting];
      deps.log.warn(
        { error: String(error), kept: waiting.length },
        'usage could not be written yet; it is kept',
      );
      schedule(5_000);
      return;
    }
    journal.keepOnly(waiting);
    if (waiting.length > 0) await write();
    else await tellWritten();
  };
  const tellWritten = async (): Promise<void> => {
    try {
      await onWritten?.((tenantId) =>
        waiting.reduce((sum, { record }) => sum + (record.tenantId === tenantId ? tokenCost(record) : 0), 0),
      );
    } catch (error) {
      deps.log.warn({ error: String(error) }, 'budgets could not be compared with the ledger; later');
    }
  };
  const flush = (): Promise<void> => {
    writing = writing.then(write, write);
    return writing;
  };
  const schedule = (afterMs: number): void => {
    timer ??= setTimeout(() => {
      timer = undefined;
      void flush();
    }, afterMs);
  };
  if (waiting.length > 0) schedule(delayMs);
  return {
    add: (record) => {
      const line = { record, at: isoNow(deps.clock) };
      journal.append(line);
      waiting.push(line);
      schedule(delayMs);
    },
    flush,
    [Symbol.asyncDispose]: async () => {
      clearTimeout(timer);
      await flush();
      clearTimeout(timer);
    },
  };
}
