import type { Tx, UsageQuery, UsageRecord, UsageRow } from '@gantry/ports';
import type { Queryable } from '../database.ts';

/** What a usage report groups by, as SQL. Keys are people's words where the row has a name. */
const usageKeys: Readonly<Record<UsageQuery['by'], string>> = {
  tenant:
    "coalesce((select name from resource r where r.kind = 'tenant' and r.id = l.tenant_id), l.tenant_id)",
  user: "coalesce((select name from resource r where r.kind = 'user' and r.id = l.user_id), l.user_id, '-')",
  queue:
    "coalesce((select name from resource r where r.kind = 'queue' and r.id = l.queue_id), l.queue_id, '-')",
  job: "coalesce((select name from resource r where r.kind = 'job' and r.id = l.job_id), l.job_id, '-')",
  endpoint:
    "coalesce((select name from resource r where r.kind = 'endpoint' and r.id = l.endpoint_id), l.endpoint_id, '-')",
  resource: 'l.resource',
};

export function ledgerQueries(connection: Queryable): Pick<Tx, 'usage' | 'usageReport'> {
  return {
    async usage(record: UsageRecord): Promise<void> {
      await connection.query(
        `insert into ledger (id, tenant_id, at, user_id, queue_id, job_id, endpoint_id, attempt_id, resource, quantity, unit, price, currency)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) on conflict (id) do nothing`,
        [
          record.id,
          record.tenantId,
          record.at,
          record.userId ?? null,
          record.queueId ?? null,
          record.jobId ?? null,
          record.endpointId ?? null,
          record.attemptId ?? null,
          record.resource,
          record.quantity,
          record.unit,
          record.price,
          record.currency,
        ],
      );
    },
    async usageReport(query: UsageQuery): Promise<readonly UsageRow[]> {
      const { rows } = await connection.query<{
        key: string;
        resource: string;
        quantity: string | number;
        unit: string;
        cost: string | number;
        currency: string;
      }>(
        `select ${usageKeys[query.by]} as key, l.resource, sum(l.quantity) as quantity, l.unit, sum(l.quantity * l.price) as cost, l.currency
         from ledger l where l.tenant_id = $1 and ($2::timestamptz is null or l.at >= $2) and ($3::timestamptz is null or l.at < $3)
         group by 1, l.resource, l.unit, l.currency order by cost desc, key limit 1000`,
        [query.tenantId, query.from ?? null, query.to ?? null],
      );
      return rows.map((row) => ({ ...row, quantity: Number(row.quantity), cost: Number(row.cost) }));
    },
  };
}
