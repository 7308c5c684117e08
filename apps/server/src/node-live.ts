/** What this machine tells the scheduler of itself: how busy it is, and whose weights and data lie here already. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type S3Volumes, type SchedulerOptions, modelDataKey } from '@gantry/control';
import { createLoadMeter } from '@gantry/runners/inventory';
import type { Clock } from '@gantry/kit';

type Live = NonNullable<SchedulerOptions['live']>;

/** The models whose weights engines opened last; more would not fit into a snapshot that is kept. */
const mostModels = 200;

export function createNodeLive(
  name: string,
  dataDir: string,
  { clock, s3Volumes }: { readonly clock: Clock; readonly s3Volumes: Pick<S3Volumes, 'lyingHere'> },
): Live {
  const meter = createLoadMeter({ dataDir });
  return () => {
    const cached = [...modelsIn(join(dataDir, 'cache')), ...s3Volumes.lyingHere()];
    return new Map([[name, { ...meter.read(clock.nowMs()), ...(cached.length === 0 ? {} : { cached }) }]]);
  };
}

/** A folder each (places.ts); retention takes them away. */
function modelsIn(dir: string): readonly string[] {
  try {
    return readdirSync(dir).slice(-mostModels).map(modelDataKey);
  } catch {
    return [];
  }
}
