/** What is known of a version before it may take traffic: its model's gate, and what evaluations measured. */
import { type Evaluation, GantryError } from '@gantry/contract';
import {
  type ModelStatusRecord,
  type ModelVersionRecord,
  allRows,
  checkVersion,
  findOr404,
  isoNow,
  recordEvaluation,
  resolveVersion,
} from '@gantry/control';
import type { Tx } from '@gantry/ports';
import type { Handlers } from '../http/index.ts';
import type { Platform } from '../platform.ts';
import { toModel, toVersion } from './model-view.ts';

export function modelVersionRoutes({ deps }: Platform): Pick<Handlers, 'models.gate' | 'models.evaluate'> {
  return {
    'models.gate': async ({ principal, ifMatchVersion, requestId }, { params, body }) =>
      deps.store.tx({ tenantId: principal.tenantId }, async (tx) => {
        const model = await findOr404(tx, 'model', principal.tenantId, params.name);
        checkVersion(model, ifMatchVersion);
        const next = await tx.update('model', model.id, {
          expectedVersion: model.version,
          status: { ...(model.status as ModelStatusRecord), gate: body },
        });
        await tx.event({
          tenantId: principal.tenantId,
          kind: 'model',
          resourceId: model.id,
          type: 'model.gate_set',
          actor: principal.userName,
          reason: { gate: body },
          requestId,
        });
        return toModel(next, principal.tenantName);
      }),
    'models.evaluate': async ({ principal, requestId }, { params, body }) =>
      deps.store.tx({ tenantId: principal.tenantId }, async (tx) => {
        const model = await findOr404(tx, 'model', principal.tenantId, params.name);
        const version = await resolveVersion(tx, principal.tenantId, `${params.name}@${params.number}`);
        const { against, comparison, metrics, data } = body;
        const source =
          against === undefined ? undefined : await resolveVersion(tx, principal.tenantId, against);
        if (source?.id === version.id)
          throw new GantryError('validation_failed', `${version.name} cannot be compared with itself`);
        const evaluation: Evaluation = {
          ...(source === undefined || comparison === undefined ? {} : { against: source.name, comparison }),
          metrics,
          data,
          at: isoNow(deps.clock),
          by: principal.userName,
        };
        return toVersion(await recordEvaluation(tx, { model, version }, evaluation, requestId), model);
      }),
  };
}

/** Lineage of what was made from a version, as whoever made it says: by name, or by the digest of the source file. */
export async function sourceLineage(
  tx: Tx,
  tenantId: string,
  source: {
    readonly model?: string | undefined;
    readonly digest?: string | undefined;
    readonly tool: string;
  },
): Promise<Readonly<Record<string, unknown>>> {
  const { model, digest, tool } = source;
  const named = model === undefined ? undefined : await resolveVersion(tx, tenantId, model);
  const found =
    named ??
    (digest === undefined
      ? undefined
      : (await allRows(tx, 'model-version')).find((row) =>
          (row.spec as ModelVersionRecord).files.some((file) => file.digest === digest),
        ));
  return {
    tool,
    ...(found === undefined ? {} : { derivedFrom: found.name }),
    ...(digest === undefined ? {} : { sourceDigest: digest }),
  };
}
