/**
 * The ledger's report, and what models took of the disk since they were last booked: the books close at midnight,
 * people ask at noon.
 */
import type { Row, Tx, UsageQuery, UsageRow } from '@gantry/ports';
import type { Deps } from '../deps.ts';
import type { ModelVersionRecord, ModelVersionStatusRecord } from '../models/model-record.ts';
import { allRows } from '../rows.ts';
import { bookedUntilMs, byteHours, daySlices } from './stored-bytes.ts';

const resource = 'stored_byte_hours';

export async function usageNow(
  deps: Pick<Deps, 'clock' | 'prices'>,
  tx: Tx,
  query: UsageQuery,
): Promise<UsageRow[]> {
  const rows = new Map<string, UsageRow>();
  const keyOf = (row: UsageRow): string => [row.key, row.resource, row.unit, row.currency].join('\n');
  for (const row of await tx.usageReport(query)) rows.set(keyOf(row), row);
  for (const version of await allRows(tx, 'model-version')) {
    if (version.tenantId !== query.tenantId) continue;
    for (const row of await openRows(deps, tx, version, query)) {
      const known = rows.get(keyOf(row)) ?? { ...row, quantity: 0, cost: 0 };
      const sum = { ...row, quantity: known.quantity + row.quantity, cost: known.cost + row.cost };
      rows.set(keyOf(row), sum);
    }
  }
  return [...rows.values()].sort((one, other) => other.cost - one.cost || (one.key < other.key ? -1 : 1));
}

async function openRows(
  { clock, prices }: Pick<Deps, 'clock' | 'prices'>,
  tx: Tx,
  version: Row,
  { by, from, to }: UsageQuery,
): Promise<readonly UsageRow[]> {
  const isIn = (fromMs: number): boolean =>
    (from === undefined || fromMs >= Date.parse(from)) && (to === undefined || fromMs < Date.parse(to));
  const slices = daySlices(bookedUntilMs(version), clock.nowMs()).filter(({ fromMs }) => isIn(fromMs));
  if (slices.length === 0) return [];
  const { bytes } = version.spec as ModelVersionRecord;
  const { user = '-', jobId } = version.status as ModelVersionStatusRecord;
  const keys: Readonly<Record<UsageQuery['by'], () => Promise<string>>> = {
    tenant: async () => (await tx.get('tenant', version.tenantId))?.name ?? version.tenantId,
    user: async () => user,
    queue: async () => '-',
    job: async () => (jobId === undefined ? '-' : ((await tx.get('job', jobId))?.name ?? jobId)),
    endpoint: async () => '-',
    resource: async () => resource,
  };
  const key = await keys[by]();
  return slices.map((slice) => {
    const { perUnit, currency } = prices.priceOf(resource, new Date(slice.fromMs).toISOString());
    const quantity = byteHours(bytes, slice);
    return { key, resource, quantity, unit: 'B.h', cost: quantity * perUnit, currency };
  });
}
