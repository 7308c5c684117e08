/** On which device models attempts ran: asked of the nodes as they are now. */
import type { Row } from '@gantry/ports';
import type { Workload } from '@gantry/scheduling';
import { type AttemptRecord, type JobStatusRecord, currentAttempt } from '../jobs/job-record.ts';
import type { NodeSpecRecord } from '../nodes/node-record.ts';

/** The model of a rank's first device; undefined without devices, or when the machine is gone. */
export function modelOf(
  { placement }: Pick<AttemptRecord, 'placement'>,
  nodes: ReadonlyMap<string, Row>,
): string | undefined {
  const place = placement[0];
  const [deviceId] = place?.devices ?? [];
  const spec = nodes.get(place?.node ?? '')?.spec as NodeSpecRecord | undefined;
  return spec?.devices.find(({ id }) => id === deviceId)?.model;
}

export function deviceModels(
  status: JobStatusRecord,
  nodes: ReadonlyMap<string, Row>,
): Pick<Workload, 'runsOn' | 'ranOnMs'> {
  const attempt = currentAttempt(status);
  const runsOn = attempt === undefined ? undefined : modelOf(attempt, nodes);
  const ranOnMs: Record<string, number> = {};
  for (const earlier of status.attempts) {
    const model = modelOf(earlier, nodes);
    const { startedAt, endedAt } = earlier;
    if (model === undefined || startedAt === undefined || endedAt === undefined) continue;
    ranOnMs[model] = (ranOnMs[model] ?? 0) + Math.max(0, Date.parse(endedAt) - Date.parse(startedAt));
  }
  return {
    ...(runsOn === undefined ? {} : { runsOn }),
    ...(Object.keys(ranOnMs).length === 0 ? {} : { ranOnMs }),
  };
}
