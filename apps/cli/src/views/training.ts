/** What a training came to: how far the loss fell, and whether that is more than counting pairs of tokens gives. */
import type { Job, JobSpec } from '@gantry/contract';
import { formatBytes, formatDuration } from '@gantry/kit';

type Progress = NonNullable<Job['progress']>;

export function lossText({ firstLoss, loss }: Progress): string | undefined {
  if (typeof loss !== 'number') return undefined;
  if (typeof firstLoss !== 'number' || firstLoss === 0) return `loss ${loss.toFixed(2)}`;
  return `loss ${firstLoss.toFixed(2)} → ${loss.toFixed(2)} (${Math.round((100 * loss) / firstLoss)} % of the first)`;
}

/** The loss on files that were not trained on, beside a bigram model of the same tokens. */
export function heldOutText({ validationLoss, bigramLoss }: Progress): string | undefined {
  if (validationLoss === undefined) return undefined;
  const ours = `held-out ${validationLoss.toFixed(2)}`;
  if (bigramLoss === undefined) return ours;
  const verdict = validationLoss < bigramLoss ? 'below' : 'not yet below';
  return `${ours}, ${verdict} a bigram model's ${bigramLoss.toFixed(2)}`;
}

/** The arena of rank 0: weights, gradients, moments and what is on its way between ranks. */
export function arenaText(memory: NonNullable<Progress['memory']>): string {
  const { allocatedBytes, reservedBytes, peakBytes, largestFreeBytes } = memory;
  const [used, reserved, peak, free] = [allocatedBytes, reservedBytes, peakBytes, largestFreeBytes].map(
    (bytes) => formatBytes(bytes),
  );
  return `arena ${used} in use of ${reserved} reserved, peak ${peak}, largest free run ${free}`;
}

/** Of the accelerators that a job holds, as their driver tells it. */
export function deviceText(memory: NonNullable<Progress['deviceMemory']>): string {
  const { usedBytes, peakBytes, totalBytes, reservedBytes, largestFreeBytes } = memory;
  const peak = peakBytes === undefined ? [] : [`peak ${formatBytes(peakBytes)}`];
  return [
    `${formatBytes(usedBytes)} in use of ${formatBytes(totalBytes)}`,
    ...peak,
    `${formatBytes(reservedBytes)} held by the driver`,
    `largest free ${formatBytes(largestFreeBytes)}`,
  ].join(', ');
}

/** The parts of the line that tells the end of a training. */
export function trainedText(job: Job): string {
  const { progress } = job;
  return [
    progress === undefined ? undefined : lossText(progress),
    progress === undefined ? undefined : heldOutText(progress),
    progress?.checkpointStep === undefined ? undefined : `checkpoint ${progress.checkpointStep}`,
    job.deviceSeconds === undefined
      ? undefined
      : `${Math.round(job.deviceSeconds)} ${progress?.device?.startsWith('CPU') === true ? 'CPU' : 'device'}-seconds`,
  ]
    .filter((part) => part !== undefined)
    .join(' · ');
}

/** What `gantry train` says when it is over, and what to do with the model. */
export function trainedLines(job: Job): string {
  const took =
    job.startedAt === undefined || job.endedAt === undefined
      ? ''
      : `   ${formatDuration(Date.parse(job.endedAt) - Date.parse(job.startedAt))}`;
  const train = (job.spec as Partial<JobSpec> | undefined)?.train;
  if (train?.recipe === 'prepare')
    return `  ✓ prepared${took}   learn from it: data: [{prepared: ${train.into ?? 'FOLDER'}}]`;
  const lines = [`  ✓ trained${took}   ${trainedText(job)}`];
  if (job.modelVersion === undefined)
    lines.push('  no model was registered: next time with "register: NAME", or --register NAME');
  else
    lines.push(
      `  ✓ model ${job.modelVersion}   serve it: gantry endpoint create chat --model ${job.modelVersion}`,
    );
  return lines.join('\n');
}
