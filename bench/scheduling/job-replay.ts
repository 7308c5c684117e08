/** Queue time, tail and longest wait on the public job lists, beside oracle policies of the same run. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  parseItp,
  parsePhilly,
  replay,
  type ReplayJob,
  type ReplayResult,
} from '@gantry/scheduling/simulate';
import type { BenchLine } from '../bench-line.ts';
import { tracesFolder } from './traces-folder.ts';

const TO_BEAT = 1.3;
const LONGEST_WAIT_HOURS = 48;

export function philly(): Promise<BenchLine[]> {
  const jobs = parsePhilly('philly.csv', readFileSync(join(tracesFolder(), 'philly/philly.csv'), 'utf8'));
  return Promise.resolve(compare('philly-640', jobs, 640));
}

export function itp(): Promise<BenchLine[]> {
  const jobs = parseItp(
    'cluster04.csv',
    readFileSync(join(tracesFolder(), 'itp-elasticflow/cluster04.csv'), 'utf8'),
  );
  return Promise.resolve(compare('itp04-576', jobs, 576));
}

function compare(name: string, jobs: readonly ReplayJob[], devices: number): BenchLine[] {
  const run = (policy: string): ReplayResult => replay(jobs, { devices, devicesPerNode: 8 }, policy);
  const ours = run('default');
  const srtf = run('srtf-oracle');
  const tails = ['sjf-oracle', 'fifo-backfill'].map(run);
  const line = (
    what: string,
    value: number,
    peer: ReplayResult | undefined,
    peerValue: number | undefined,
    most: number,
    unit: string,
  ): BenchLine => ({
    bench: 'scheduling',
    case: `${name}-${what}`,
    ours: value,
    peer: peerValue,
    peerName: peer?.policy,
    better: 'less',
    bar: `<= ${Number(most.toPrecision(5))}`,
    pass: value <= most,
    unit,
    rounds: [value],
  });
  return [
    line(
      'mean-queue',
      ours.averageQueueSeconds,
      srtf,
      srtf.averageQueueSeconds,
      TO_BEAT * srtf.averageQueueSeconds,
      's',
    ),
    ...tails.map((peer) =>
      line(
        `p99-slowdown-vs-${peer.policy}`,
        ours.p99BoundedSlowdown,
        peer,
        peer.p99BoundedSlowdown,
        peer.p99BoundedSlowdown,
        'x',
      ),
    ),
    line(
      'longest-wait',
      ours.maxWaitSeconds / 3600,
      srtf,
      srtf.maxWaitSeconds / 3600,
      LONGEST_WAIT_HOURS,
      'h',
    ),
  ];
}
