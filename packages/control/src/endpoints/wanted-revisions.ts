/** Which revisions an endpoint should run now, and how many processes of each. Pure. */
import type { EndpointSpecRecord, EndpointStatusRecord, RevisionRecord } from './endpoint-record.ts';

export interface WantedRevision extends RevisionRecord {
  readonly replicas: number;
}

/** Replicas of the stable revision: as asked for, or as the autoscaler last said within the bounds. */
export function desiredReplicas(spec: EndpointSpecRecord, status: EndpointStatusRecord): number {
  const { scaling } = spec;
  if (scaling === undefined) return spec.replicas;
  const said = status.scale?.replicas ?? Math.max(1, scaling.min);
  return Math.min(scaling.max, Math.max(scaling.min, said));
}

/** The stable revision first; a rollout's revision beside it gets processes for its share, at least one. */
export function wantedRevisions(
  spec: EndpointSpecRecord,
  status: EndpointStatusRecord,
): readonly WantedRevision[] {
  const { revision, model, modelVersionId, rollout } = spec;
  const replicas = desiredReplicas(spec, status);
  const stable = { revision, model, modelVersionId, replicas };
  if (rollout === undefined) return [stable];
  return [
    stable,
    {
      revision: rollout.revision,
      model: rollout.model,
      modelVersionId: rollout.modelVersionId,
      replicas: replicas === 0 ? 0 : Math.max(1, Math.ceil((replicas * rollout.percent) / 100)),
    },
  ];
}

export const lastRevision = (spec: EndpointSpecRecord): number => spec.lastRevision ?? spec.revision;

export const revisionName = (endpointName: string, revision: number): string => `${endpointName}-${revision}`;
