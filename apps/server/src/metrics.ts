/** `/metrics` with bounded labels, `/metrics/jobs` with a series per running job. */
import { join } from 'node:path';
import type { Gateway } from '@gantry/gateway';
import { writeMetrics } from '@gantry/kit';
import { createWorkerMeter } from '@gantry/runners';
import { jobFamilies } from './metrics/job-families.ts';
import { platformFamilies } from './metrics/platform-families.ts';
import { createProcessFamilies } from './metrics/process-families.ts';
import { createServingFamilies } from './metrics/serving-families.ts';
import type { Platform } from './platform.ts';

export interface Metrics {
  platform(): Promise<string>;
  jobs(): Promise<string>;
}

export function createMetrics(platform: Platform, gateway: Gateway): Metrics {
  const processFamilies = createProcessFamilies();
  const servingFamilies = createServingFamilies(platform, gateway);
  const meter = createWorkerMeter(join(platform.dataDir, 'workers'));
  return {
    platform: async () =>
      writeMetrics([
        ...(await platformFamilies(platform)),
        ...processFamilies(),
        ...gateway.stats().families,
        ...(await servingFamilies()),
      ]),
    jobs: async () => writeMetrics(await jobFamilies(platform, meter)),
  };
}
