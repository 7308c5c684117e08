/** What an evaluation measured, kept with the version that it is of. */
import type { Evaluation } from '@gantry/contract';
import type { Row, Tx } from '@gantry/ports';
import type { ModelStatusRecord, ModelVersionRecord, ModelVersionStatusRecord } from './model-record.ts';
import { gateVerdict } from './promotion-gate.ts';

/** Of a version; the oldest make room. */
const keptEvaluations = 20;

export async function recordEvaluation(
  tx: Tx,
  { model, version }: { readonly model: Row; readonly version: Row },
  evaluation: Evaluation,
  requestId?: string,
): Promise<Row> {
  const before = version.status as ModelVersionStatusRecord;
  const status: ModelVersionStatusRecord = {
    ...before,
    evaluations: [evaluation, ...(before.evaluations ?? [])].slice(0, keptEvaluations),
  };
  const next = await tx.update('model-version', version.id, { expectedVersion: version.version, status });
  const { gate } = model.status as ModelStatusRecord;
  await tx.event({
    tenantId: model.tenantId,
    kind: 'model',
    resourceId: model.id,
    type: 'model.evaluated',
    actor: evaluation.by,
    reason: {
      version: version.name,
      gate: gateVerdict(gate, version.spec as ModelVersionRecord, status),
      ...evaluation,
    },
    ...(requestId === undefined ? {} : { requestId }),
  });
  return next;
}
