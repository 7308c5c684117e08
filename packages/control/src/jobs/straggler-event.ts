/** A rank that the others wait for is told once when it is named, with the node it lies on: the machine may be at fault. */
import type { AttemptRecord } from './job-record.ts';
import type { Progress } from './live-progress.ts';

/** What goes into the job's history; undefined when nothing new is known. Pure. */
export function stragglerEvent(
  before: Progress | undefined,
  now: Progress,
  placement: AttemptRecord['placement'],
): Record<string, unknown> | undefined {
  const { straggler, step } = now;
  if (straggler === undefined || straggler.rank === before?.straggler?.rank) return undefined;
  const { rank, slowdown } = straggler;
  const node = placement.find((place) => place.rank === rank)?.node;
  return {
    rank,
    slowdown: Math.round(slowdown * 100) / 100,
    ...(node === undefined ? {} : { node }),
    ...(step === undefined ? {} : { step }),
  };
}
