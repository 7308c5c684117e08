/** What work reads that a node may hold already: the planner prefers that node among equals (tie-order). */
import type { Volume } from '@gantry/contract';
import type { Workload } from '@gantry/scheduling';
import type { ReplicaSpecRecord } from '../endpoints/endpoint-record.ts';

/** The same for a job and for a node: the address of the prefix without a slash at its end. */
export const s3DataKey = (url: string): string => url.replace(/\/+$/, '');

/** How much lies below a prefix is known only once it is fetched. Rows of older servers name no volumes. */
export function dataNeeds(volumes: readonly Volume[] = []): Pick<Workload, 'data'> {
  const data = volumes.flatMap(({ s3 }) => (s3 === undefined ? [] : [{ key: s3DataKey(s3), bytes: 0 }]));
  return data.length === 0 ? {} : { data };
}

/** The same for an endpoint's replica and for a node that has opened the model before. */
export const modelDataKey = (modelVersionId: string): string => `model:${modelVersionId}`;

/** Its own weights, those of the model that guesses ahead, and its adapters. */
export function weightNeeds({
  modelVersionId,
  speculation,
  adapters = [],
}: ReplicaSpecRecord): Pick<Workload, 'data'> {
  const ids = [
    modelVersionId,
    speculation?.modelVersionId,
    ...adapters.map((adapter) => adapter.modelVersionId),
  ];
  return { data: ids.flatMap((id) => (id === undefined ? [] : [{ key: modelDataKey(id), bytes: 0 }])) };
}
