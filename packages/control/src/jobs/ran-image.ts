import type { RanImage, WorkerReport } from '@gantry/contract';

/** The image that a worker runs in, as the runner reports it before a container begins. */
export function ranImage(report: WorkerReport): RanImage | undefined {
  if (report.type !== 'facts') return undefined;
  const { image, imageId, imageDigest } = report.values;
  if (typeof image !== 'string' || typeof imageId !== 'string') return undefined;
  return {
    reference: image,
    id: imageId,
    ...(typeof imageDigest === 'string' ? { digest: imageDigest } : {}),
  };
}
