/**
 * The Azure conversation trace (2023) against simulated replicas of eight slots that take 30 s to start. Knative's
 * rule with its defaults beside ours: requests that got their first token in time, and replica-hours paid.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  defaultScalingPolicy,
  PredictiveScaler,
  ReactiveScaler,
  type LoadSample,
  type ScalingDecision,
} from '@gantry/serving';
import type { BenchLine } from '../bench-line.ts';
import { tracesFolder } from './traces-folder.ts';

interface Arrival {
  readonly atMs: number;
  readonly prefillMs: number;
  readonly decodeMs: number;
}

const slots = 8;
const startSeconds = 30;
const objectiveMs = 1_000;
const tickMs = 100;

const policy = { ...defaultScalingPolicy, concurrencyPerReplica: slots, minReplicas: 1, maxReplicas: 64 };

interface Scaler {
  decide(sample: LoadSample, readyReplicas: number): Pick<ScalingDecision, 'replicas'>;
}

interface Outcome {
  readonly attainment: number;
  readonly replicaHours: number;
}

interface Replica {
  readonly readyAtMs: number;
  isLeaving: boolean;
  readonly busyUntilMs: number[];
}

/** What ended within the second, for the mean time in service. */
interface Ended {
  count: number;
  seconds: number;
}

function simulate(arrivals: readonly Arrival[], scaler: Scaler): Outcome {
  const replicas: Replica[] = Array.from({ length: 4 }, () => ({
    readyAtMs: 0,
    isLeaving: false,
    busyUntilMs: [],
  }));
  const queue: Arrival[] = [];
  let next = 0;
  let inTime = 0;
  let paidMs = 0;
  let concurrencySum = 0;
  let arrived = 0;
  let ended: Ended = { count: 0, seconds: 0 };
  const endings: { readonly atMs: number; readonly seconds: number }[] = [];
  const lastMs = arrivals.at(-1)?.atMs ?? 0;
  for (let nowMs = 0, tick = 1; nowMs <= lastMs || queue.length > 0; nowMs += tickMs, tick++) {
    for (; (arrivals[next]?.atMs ?? Number.POSITIVE_INFINITY) <= nowMs; next++) {
      queue.push(arrivals[next] as Arrival);
      arrived++;
    }
    for (const replica of replicas) {
      for (let i = replica.busyUntilMs.length - 1; i >= 0; i--)
        if ((replica.busyUntilMs[i] ?? 0) <= nowMs) replica.busyUntilMs.splice(i, 1);
    }
    for (let i = endings.length - 1; i >= 0; i--) {
      const ending = endings[i];
      if (ending === undefined || ending.atMs > nowMs) continue;
      ended.count++;
      ended.seconds += ending.seconds;
      endings.splice(i, 1);
    }
    // One that drains is paid until its last request is done.
    for (let i = replicas.length - 1; i >= 0; i--)
      if (replicas[i]?.isLeaving === true && replicas[i]?.busyUntilMs.length === 0) replicas.splice(i, 1);
    paidMs += replicas.length * tickMs;
    while (queue.length > 0) {
      const free = replicas.filter(
        (replica) => !replica.isLeaving && replica.readyAtMs <= nowMs && replica.busyUntilMs.length < slots,
      );
      const target = free.sort((a, b) => a.busyUntilMs.length - b.busyUntilMs.length)[0];
      if (target === undefined) break;
      const request = queue.shift() as Arrival;
      target.busyUntilMs.push(nowMs + request.prefillMs + request.decodeMs);
      endings.push({
        atMs: nowMs + request.prefillMs + request.decodeMs,
        seconds: (request.prefillMs + request.decodeMs) / 1_000,
      });
      if (nowMs + request.prefillMs - request.atMs <= objectiveMs) inTime++;
    }
    concurrencySum += queue.length + replicas.reduce((sum, { busyUntilMs }) => sum + busyUntilMs.length, 0);
    if (tick % (1_000 / tickMs) === 0) {
      const staying = replicas.filter(({ isLeaving }) => !isLeaving);
      const ready = staying.filter(({ readyAtMs }) => readyAtMs <= nowMs).length;
      const { replicas: wanted } = scaler.decide(
        {
          arrivals: arrived,
          serviceSeconds: ended.count === 0 ? undefined : ended.seconds / ended.count,
          concurrency: (concurrencySum * tickMs) / 1_000,
        },
        ready,
      );
      concurrencySum = 0;
      arrived = 0;
      ended = { count: 0, seconds: 0 };
      // A replica that still drains is taken back before a new one is started.
      const returning = replicas
        .filter(({ isLeaving }) => isLeaving)
        .slice(0, Math.max(0, wanted - staying.length));
      for (const replica of returning) replica.isLeaving = false;
      for (let i = staying.length + returning.length; i < wanted; i++)
        replicas.push({ readyAtMs: nowMs + startSeconds * 1_000, isLeaving: false, busyUntilMs: [] });
      // The youngest leaves first: it may not even be ready.
      for (const replica of staying
        .sort((a, b) => b.readyAtMs - a.readyAtMs)
        .slice(0, Math.max(0, staying.length - wanted)))
        replica.isLeaving = true;
    }
  }
  return { attainment: (inTime / arrivals.length) * 100, replicaHours: paidMs / 3_600_000 };
}

export function azureAutoscaler(): Promise<BenchLine[]> {
  const file = join(tracesFolder(), 'azure-llm-2023/AzureLLMInferenceTrace_conv.csv');
  if (!existsSync(file))
    throw new Error(`no trace at ${file}: set GANTRY_TRACES to the folder that holds azure-llm-2023/`);
  const rows = readFileSync(file, 'utf8').trim().split('\n').slice(1);
  const firstMs = Date.parse(`${rows[0]?.split(',')[0]?.slice(0, 23).replace(' ', 'T') ?? ''}Z`);
  const arrivals = rows.map((row) => {
    const [time = '', context = '0', generated = '0'] = row.split(',');
    return {
      atMs: Date.parse(`${time.slice(0, 23).replace(' ', 'T')}Z`) - firstMs,
      prefillMs: (Number(context) / 8_000) * 1_000,
      decodeMs: Number(generated) * 25,
    };
  });
  const knative = new ReactiveScaler(policy);
  const peer = simulate(arrivals, { decide: ({ concurrency }, ready) => knative.decide(concurrency, ready) });
  const ours = simulate(
    arrivals,
    new PredictiveScaler({ ...policy, scaleDownDelaySeconds: 60 }, { leadSeconds: startSeconds }),
  );
  const shared = { bench: 'serving', peerName: 'Knative rule (60 s / 6 s windows, 70 %)' };
  return Promise.resolve([
    {
      ...shared,
      case: 'Azure conversation: first token within 1 s',
      ours: ours.attainment,
      peer: peer.attainment,
      better: 'more',
      bar: '>= peer',
      pass: ours.attainment >= peer.attainment,
      unit: '%',
      rounds: [ours.attainment],
    },
    {
      ...shared,
      case: 'Azure conversation: replica-hours',
      ours: ours.replicaHours,
      peer: peer.replicaHours,
      better: 'less',
      bar: '<= 0.9x peer',
      pass: ours.replicaHours <= 0.9 * peer.replicaHours,
      unit: 'h',
      rounds: [ours.replicaHours],
    },
  ]);
}
