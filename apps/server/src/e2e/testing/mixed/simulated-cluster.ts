/** A server whose machines are rows and whose workers are timers, with a clock that tests turn forward. */
import type { Job, JobSpecInput } from '@gantry/contract';
import { systemClock } from '@gantry/kit';
import type { Client } from '@gantry/sdk';
import type { GivenParts, Server } from '../../../serve.ts';
import { startMemoryServer } from '../../../testing/memory-server.ts';
import { jobWhen } from '../follow.ts';
import { simulateNodes } from './simulate-nodes.ts';
import { type Script, type SimulatedRunner, createSimulatedRunner } from './simulated-runner.ts';

export interface SimulatedCluster extends AsyncDisposable {
  readonly operator: Client;
  readonly server: Server;
  readonly runner: SimulatedRunner;
  /** A job whose ranks run until they are stopped, or end by themselves after `forMs`. */
  readonly submit: (
    name: string,
    spec: Omit<JobSpecInput, 'name' | 'command'>,
    forMs?: number,
  ) => Promise<Job>;
  /** Until the latest attempt of so many runs. */
  readonly runs: (name: string, attempts?: number) => Promise<Job>;
  readonly nodeAct: (name: string, action: 'drain' | 'quarantine' | 'return') => Promise<unknown>;
  /** The server's clock; the scheduler looks again. */
  readonly advance: (milliseconds: number) => Promise<void>;
}

export async function startSimulatedCluster(
  nodes: number,
  given: Pick<GivenParts, 'beforePlan'> = {},
): Promise<SimulatedCluster> {
  let aheadMs = 0;
  const clock = {
    nowMs: () => systemClock.nowMs() + aheadMs,
    monotonicMs: () => systemClock.monotonicMs() + aheadMs,
  };
  const runner = createSimulatedRunner(1, { startFails: 0, toldTwice: 0 });
  const home = await startMemoryServer(['--memory'], {}, { runner, clock, ...given });
  const { operator, server } = home;
  await simulateNodes(server.platform.deps, nodes);
  return {
    operator,
    server,
    runner,
    submit: (name, spec, forMs = 3_600_000) => {
      const script: Script = { forMs, ends: ['done'], isStubborn: false };
      return operator.call('jobs.submit', {
        body: { name, command: ['simulated', JSON.stringify(script)], ...spec },
      });
    },
    runs: (name, attempts = 1) =>
      jobWhen(operator, name, (job) => job.state === 'running' && job.attempts.length === attempts),
    nodeAct: (name, action) => operator.call('nodes.act', { params: { name, action } }),
    advance: async (milliseconds) => {
      aheadMs += milliseconds;
      server.platform.scheduler.poke();
      await server.platform.scheduler.idle();
    },
    [Symbol.asyncDispose]: async () => {
      await home[Symbol.asyncDispose]();
      await runner[Symbol.asyncDispose]();
    },
  };
}

/** The machines that the latest attempt of a job holds devices of. */
export const machinesOf = ({ attempts }: Job): readonly string[] => [
  ...new Set((attempts.at(-1)?.placement ?? []).flatMap(({ devices }) => devices.map(machineOf))),
];

/** Devices are named for their machine (simulate-nodes). */
const machineOf = (deviceId: string): string => deviceId.split('/')[0] ?? deviceId;
