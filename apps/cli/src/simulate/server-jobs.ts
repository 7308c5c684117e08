/** The real queue and cluster as a replay: jobs of the last days with the devices and the time they took. */
import { type Job, type JobSpec, type Node, isTerminal } from '@gantry/contract';
import type { ReplayCluster, ReplayJob } from '@gantry/scheduling/simulate';
import type { Client } from '@gantry/sdk';
import { CliError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';

const pageSize = 500;

export interface ServerScenario {
  readonly jobs: readonly ReplayJob[];
  readonly cluster: ReplayCluster;
  readonly notes: readonly string[];
}

export async function scenarioFromServer(
  client: Client,
  { lastMs, nowMs }: { lastMs: number; nowMs: number },
): Promise<ServerScenario> {
  const nodes = (await client.call('nodes.list', { query: { limit: pageSize } })).items;
  const jobs: Job[] = [];
  for (let cursor: string | undefined; ;) {
    const page = await client.call('jobs.list', {
      query: { limit: pageSize, ...(cursor === undefined ? {} : { cursor }) },
    });
    const recent = page.items.filter(({ createdAt }) => Date.parse(createdAt) >= nowMs - lastMs);
    jobs.push(...recent);
    cursor = page.nextCursor;
    // Newest first: an older one ends the search.
    if (cursor === undefined || recent.length < page.items.length) break;
  }
  if (jobs.length === 0)
    throw new CliError('data_missing', 'the server has no jobs of that time to replay', {
      hint: 'look further back: --last 30d',
      exitCode: exitCodes.not_found,
    });
  return toScenario(nodes, jobs, nowMs);
}

/** Machines without an accelerator count cores as devices, as the scheduler's users do. */
export function toScenario(nodes: readonly Node[], jobs: readonly Job[], nowMs: number): ServerScenario {
  const hasGpus = nodes.some(({ devices }) => devices.length > 0);
  const sizeOf = (node: Node): number => (hasGpus ? node.devices.length : Math.floor(node.cpuMilli / 1000));
  const sizes = nodes.map(sizeOf).filter((size) => size > 0);
  const devicesPerNode = Math.max(1, ...sizes);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const nodeCount = Math.max(1, Math.round(total / devicesPerNode));
  const first = Math.min(...jobs.map(({ createdAt }) => Date.parse(createdAt)));
  const running = jobs.filter(({ state }) => !isTerminal(state));
  return {
    cluster: { devices: nodeCount * devicesPerNode, devicesPerNode },
    jobs: jobs.map((job) => ({
      id: job.id,
      arrivalSeconds: (Date.parse(job.createdAt) - first) / 1000,
      durationSeconds: durationSeconds(job, nowMs),
      devices: devicesOf(job, hasGpus),
    })),
    notes: [
      ...(hasGpus ? [] : ['no GPU here: a core counts as a device']),
      ...(new Set(sizes).size > 1
        ? [`nodes of unequal size are taken as ${nodeCount} of ${devicesPerNode} devices`]
        : []),
      ...(running.length === 0
        ? []
        : [
            `${running.length} jobs have not ended: what they still need is what they say, or their time limit`,
          ]),
    ],
  };
}

function devicesOf(job: Job, hasGpus: boolean): number {
  const { groups, replicas, parallel, resources } = job.spec as JobSpec;
  const ranks =
    replicas ?? (parallel === undefined ? 1 : parallel.data * parallel.tensor * parallel.pipeline);
  const kinds = groups ?? [{ replicas: ranks, resources }];
  return Math.ceil(
    kinds.reduce((sum, kind) => {
      const { gpu, cpu } = kind.resources ?? resources;
      return sum + kind.replicas * (hasGpus ? gpu : cpu);
    }, 0),
  );
}

/** What it ran, all attempts together; of one that has not ended, also what it will. */
function durationSeconds(job: Job, nowMs: number): number {
  const ranMs = job.attempts.reduce((sum, { startedAt, endedAt }) => {
    if (startedAt === undefined) return sum;
    const end = endedAt === undefined ? nowMs : Date.parse(endedAt);
    return sum + Math.max(0, end - Date.parse(startedAt));
  }, 0);
  if (isTerminal(job.state)) return ranMs / 1000;
  const eta = job.progress?.etaSeconds;
  if (eta !== undefined) return ranMs / 1000 + eta;
  return Math.max(ranMs, (job.spec as JobSpec).timeLimit) / 1000;
}
