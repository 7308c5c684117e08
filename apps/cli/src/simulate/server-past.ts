/** The real queue and cluster, to be lived through again: as the server's planner sees them, under the policy that holds or one that is tried. */
import { isAccelerated } from './device-unit.ts';
import { countOf, formatDuration } from '@gantry/kit';
import { type LiveWorld, type PastJob, replayLive, summariseLive } from '@gantry/scheduling/simulate';
import type { Client } from '@gantry/sdk';
import { CliError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';
import type { PolicyBody } from '../policy-file.ts';
import { createRecorder } from './replay-view.ts';
import type { Replayed } from './replays.ts';

export interface ServerPast {
  readonly world: LiveWorld;
  readonly jobs: readonly PastJob[];
  /** As people write them, by id. */
  readonly queueNames: Readonly<Record<string, string>>;
}

/** `policy`: tried instead of the one that holds; it is checked as if it were set. */
export async function loadPast(client: Client, last: string, policy?: PolicyBody): Promise<ServerPast> {
  const { world, jobs, queueNames } = await client.call('scheduling.trial', {
    body: { last, ...(policy === undefined ? {} : { policy }) },
  });
  if (jobs.length === 0)
    throw new CliError('data_missing', 'the server has no jobs of that time to replay', {
      hint: 'look further back: --last 30d',
      exitCode: exitCodes.not_found,
    });
  return {
    world: world as unknown as LiveWorld,
    jobs: jobs as unknown as readonly PastJob[],
    queueNames,
  };
}

export function replayPast(label: string, { world, jobs, queueNames }: ServerPast): Replayed {
  const recorder = createRecorder(world.nodes.map(({ name }) => name));
  const replay = replayLive(jobs, world, {
    observer: {
      begins: recorder.begins,
      decided: ({ nowMs, waiting, free }) =>
        recorder.decided({ nowSeconds: nowMs / 1000, waitingJobs: waiting, free }),
      finished: ({ past, finishedAtMs }, size) =>
        recorder.finished(
          size,
          Math.max(0, (finishedAtMs ?? 0) - past.workload.createdAtMs - past.workMs) / 1000,
        ),
    },
  });
  const { queues, ...result } = summariseLive(label, replay);
  return {
    result,
    queues: queues
      .map(({ queueId, ...rest }) => ({ queue: queueNames[queueId] ?? queueId, ...rest }))
      .toSorted((a, b) => (a.queue < b.queue ? -1 : 1)),
    view: recorder.view(),
  };
}

/** What a reader should know before comparing. */
export function notesOn({ world, jobs }: ServerPast, nowMs: number): readonly string[] {
  const standing = world.standing?.length ?? 0;
  const unwell = world.nodes.filter(({ healthy, cordoned }) => !healthy || cordoned).length;
  const first = Math.min(...jobs.map(({ workload }) => workload.createdAtMs));
  return [
    `jobs of ${formatDuration(nowMs - first)}, each with the time it took; of those that have not ended also what they still need by their estimate, else their limit`,
    ...(isAccelerated(world) ? [] : ['no GPU here: a core counts as a device']),
    ...(standing === 0
      ? []
      : [
          `${countOf(standing, 'replica')} of endpoints keep${standing === 1 ? 's its' : ' their'} place throughout`,
        ]),
    ...(unwell === 0 ? [] : [`lost, cordoned or quarantined, so without work: ${countOf(unwell, 'node')}`]),
  ];
}
