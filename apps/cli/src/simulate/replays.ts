/** `gantry simulate --trace philly|itp` and `--from-server`: the same jobs under one policy after another. */
import {
  REPLAY_POLICIES,
  type ReplayCluster,
  type ReplayJob,
  type ReplayResult,
  replay,
} from '@gantry/scheduling/simulate';
import { formatDuration } from '@gantry/kit';
import { CliError } from '../cli-error.ts';
import { table } from '../output.ts';
import { oneOf } from './read-trace.ts';
import { type ReplayView, createRecorder } from './replay-view.ts';

export interface Replayed {
  readonly result: ReplayResult;
  /** Of replays that let somebody look on: node by node, over time. */
  readonly view?: ReplayView;
}

/** What can be run under one policy after another. */
export interface Experiment {
  readonly title: string;
  readonly notes: readonly string[];
  readonly policies: readonly string[];
  /** What is run when nobody names a policy. */
  readonly ours: string;
  /** As it is, and as it would be with more. */
  readonly variants: readonly ((policy: string) => Replayed)[];
}

export interface Scenario {
  readonly jobs: readonly ReplayJob[];
  readonly cluster: ReplayCluster;
  /** Written behind the policy's name, like "+2" for two more nodes. */
  readonly label?: string;
}

export function runExperiment(experiment: Experiment, policies: string | undefined): readonly Replayed[] {
  const names = (policies ?? experiment.ours)
    .split(',')
    .map((name) => oneOf('policy', name.trim(), experiment.policies));
  const isLive = process.stderr.isTTY === true;
  const replayed = experiment.variants.flatMap((run) =>
    names.map((policy) => {
      if (isLive) process.stderr.write(`\r\u001b[2K  ▸ ${policy} …`);
      return run(policy);
    }),
  );
  if (isLive) process.stderr.write('\r\u001b[2K');
  return replayed;
}

export const replayPolicies: readonly string[] = Object.keys(REPLAY_POLICIES);

export function runReplay(scenario: Scenario, policy: string): Replayed {
  const { cluster, jobs, label } = scenario;
  if (cluster.devices < cluster.devicesPerNode)
    throw new CliError(
      'bad_request',
      `${cluster.devices} GPUs do not fill one node of ${cluster.devicesPerNode}`,
      {
        hint: 'choose --gpus and --gpus-per-node so that whole nodes come out',
      },
    );
  const recorder = createRecorder(cluster);
  const result = replay(jobs, cluster, policy, recorder.observer);
  return {
    result: label === undefined ? result : { ...result, policy: `${policy} ${label}` },
    view: recorder.view(),
  };
}

/** What no policy can do anything about, so that nobody looks for it in the numbers. */
export function leftOut({ jobs, cluster }: Scenario): string | undefined {
  const tooLarge = jobs.filter(({ devices }) => devices > cluster.devices).length;
  const without = jobs.filter(({ devices }) => devices === 0).length;
  const parts = [
    ...(tooLarge === 0 ? [] : [`${tooLarge} that ask for more than ${cluster.devices} GPUs`]),
    ...(without === 0 ? [] : [`${without} that ask for none`]),
  ];
  return parts.length === 0 ? undefined : `left out: ${parts.join(', ')}`;
}

export const replayHeads = [
  'policy',
  'mean wait',
  'p99 wait',
  'longest',
  'mean JCT',
  'p99 slowdown',
  'utilisation',
  'preempted',
  'unfinished',
] as const;

export const replayRow = ({ result, view }: Replayed): readonly string[] => [
  result.policy,
  formatDuration(result.averageQueueSeconds * 1000),
  view === undefined ? '–' : formatDuration(view.p99WaitSeconds * 1000),
  formatDuration(result.maxWaitSeconds * 1000),
  formatDuration(result.averageJctSeconds * 1000),
  result.p99BoundedSlowdown.toFixed(1),
  view === undefined ? '–' : `${(100 * view.meanUtilisation).toFixed(0)} %`,
  String(result.preemptions),
  String(result.unfinished),
];

export const replaysText = (replayed: readonly Replayed[]): string =>
  table(replayHeads, replayed.map(replayRow));
