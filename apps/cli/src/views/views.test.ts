import type { Endpoint, Job, Node, Queue } from '@gantry/contract';
import { describe, expect, test } from 'vitest';
import { describeEndpoint } from './endpoint.ts';
import { describeJob, describeWaiting, stateLine } from './job.ts';
import { describeNode } from './node.ts';
import { inTreeOrder } from './queue-tree.ts';
import { topText } from './top.ts';

// eslint-disable-next-line no-control-regex
const plain = (text: string): string => text.replaceAll(/\u001b\[[0-9;]*m/g, '');
const at = '2026-11-21T10:00:00.000Z';
const base = { id: 'job_1', tenant: 'acme', createdAt: at, updatedAt: at, version: 1 };

const job = (more: Partial<Job> = {}): Job => ({
  ...base,
  name: 'bert',
  queue: 'nlp',
  user: 'lena',
  state: 'queued',
  spec: { replicas: 4, resources: { cpu: 2, memory: 2 ** 31, gpu: 8, gpuModel: 'H100' } },
  attempts: [],
  ...more,
});

const nameOf = (id: string): string => (id === 'nod_1' ? 'gpu-1' : id);

const node: Node = {
  ...base,
  name: 'gpu-1',
  state: 'ready',
  cpuMilli: 8000,
  memoryBytes: 2 ** 34,
  storageBytes: 2 ** 40,
  devices: [{ id: 'gpu-0', kind: 'nvidia', model: 'H100', memoryBytes: 2 ** 36, healthy: true }],
  sockets: [{ id: 'cpu-0', numaNode: 0, model: 'Xeon', cores: 32, memoryBytes: 2 ** 38 }],
  labels: { zone: 'a' },
  taints: [{ key: 'team', value: 'nlp', effect: 'NoSchedule' }],
  facts: { driver: '570' },
  used: { cpu: 2, memory: 2 ** 33, devices: 1 },
};

describe('why a job waits', () => {
  test('tells place, need, reasons and the smallest changes', () => {
    const text = plain(
      describeWaiting(
        job({
          waiting: {
            reasons: [{ code: 'no_room', tier: 'capacity', message: 'largest free island has 6 of 8' }],
            position: 3,
            ahead: ['sft-2', 'resnet'],
            unblock: ['6 GPUs instead of 8'],
          },
        }),
        Date.parse(at) + 12 * 60_000,
      ),
    );
    expect(text.split('\n')).toEqual([
      '  waiting 12 min in nlp · position 3 · behind sft-2, resnet',
      '',
      '  needs    4 ranks, each 8 × H100 · 2 CPUs · 2.1 GB',
      '  blocked  largest free island has 6 of 8',
      '',
      '  would start now with',
      '    6 GPUs instead of 8',
    ]);
  });

  test('what will never pass by itself is called never', () => {
    const waiting = { reasons: [{ code: 'x', tier: 'misconfigured', message: 'there is no A9000' }] };
    expect(plain(describeWaiting(job({ waiting })))).toContain('never    there is no A9000');
  });

  test('a job that ended or runs waits for nothing', () => {
    expect(plain(describeWaiting(job({ state: 'succeeded' })))).toContain('waits for nothing');
    expect(plain(describeWaiting(job({ state: 'running' })))).toContain('waits for nothing');
  });
});

describe('a job', () => {
  const attempt = {
    id: 'att_1',
    epoch: 1,
    state: 'ended' as const,
    placement: [{ rank: 0, node: 'nod_1', devices: [] }],
    exitClass: 'user_error' as const,
  };

  test('that failed shows its class, the last lines of stderr and the next step', () => {
    const text = plain(
      describeJob(
        job({
          state: 'failed',
          attempts: [attempt],
          exitClass: 'user_error',
          exitMessage: 'ended with 1',
          stderrTail: ['Traceback', 'KeyError: 3'],
          hint: 'read the traceback',
        }),
        nameOf,
      ),
    );
    expect(text).toContain('ended      user_error: ended with 1');
    expect(text).toContain('    KeyError: 3');
    expect(text).toContain('next       read the traceback');
  });

  test('that runs names the rank that the others wait for, and its machine; one that is over does not', () => {
    const slow = { attempts: [attempt], progress: { step: 64, straggler: { rank: 0, slowdown: 2.345 } } };
    expect(plain(describeJob(job({ state: 'running', ...slow }), nameOf))).toContain(
      'straggler  rank 0 on gpu-1 computes 2.3 times as long as the others',
    );
    expect(plain(describeJob(job({ state: 'succeeded', ...slow }), nameOf))).not.toContain('straggler');
  });

  test('that runs names its ranks and its machine in one line', () => {
    const line = plain(
      stateLine(job({ state: 'running', attempts: [{ ...attempt, state: 'running' }] }), nameOf),
    );
    expect(line).toBe('  running   bert   1 rank on gpu-1');
  });
});

test('a machine shows use, facts and devices', () => {
  const text = plain(describeNode(node));
  expect(text).toContain('cpus     2 of 8 used');
  expect(text).toContain('driver   570');
  expect(text).toMatch(/gpu-0 +H100 +69 GB/);
});

test('an endpoint that is rolled out tells both versions apart, and each replica its machine', () => {
  const replica = { state: 'ready' as const, restarts: 0, node: 'nod_1' };
  const text = plain(
    describeEndpoint({
      ...base,
      name: 'chat',
      state: 'ready',
      model: 'notes@1',
      revision: 'chat-1',
      desiredReplicas: 1,
      replicas: [
        { ...replica, id: 'rep_1', revision: 'chat-1', nodeName: 'gpu-1' },
        { ...replica, id: 'rep_2', revision: 'chat-2' },
      ],
      rollout: {
        model: 'notes@2',
        revision: 'chat-2',
        mode: 'canary',
        percent: 10,
        automatic: true,
        startedAt: at,
        verdict: 'wait',
        evidence: [],
        compared: 0,
        equal: 0,
      },
    }),
  );
  expect(text).toContain('chat   ready   notes@1   1 / 1 + 1 ready');
  expect(text).toContain('canary 10 % to notes@2 (chat-2)   verdict: wait   gantry endpoint stats chat');
  expect(text).toMatch(/rep_1 +chat-1 +ready +gpu-1 +0/);
  expect(text).toMatch(/rep_2 +chat-2 +ready +nod_1 +0/);
});

test('an endpoint shows why a replica is not ready', () => {
  const endpoint: Endpoint = {
    ...base,
    name: 'chat',
    state: 'deploying',
    model: 'notes@1',
    revision: 'r1',
    desiredReplicas: 1,
    replicas: [
      {
        id: 'rep_1',
        revision: 'r1',
        state: 'queued',
        restarts: 0,
        waiting: [{ code: 'x', tier: 'capacity', message: 'no free CPU' }],
      },
    ],
  };
  expect(plain(describeEndpoint(endpoint))).toMatch(/rep_1 +r1 +queued +0 +no free CPU/);
  const drift = [{ revision: 'r1', findings: [{ feature: 'input.x.mean', pValue: 1e-9, size: 0.412 }] }];
  expect(plain(describeEndpoint({ ...endpoint, reason: 'a replica waits: no room', drift }))).toMatch(
    /0 \/ 1 ready: a replica waits: no room\n  r1 has drifted: input\.x\.mean 0\.41\n/,
  );
});

describe('the queue tree', () => {
  const queue = (name: string, parent?: string): Queue => ({
    ...base,
    name,
    ...(parent === undefined ? {} : { parent }),
    deserved: {},
    limit: {},
    weight: 1,
    priority: 0,
    used: {},
    running: 0,
    waiting: 0,
  });

  test('puts children under their parents', () => {
    const rows = inTreeOrder([queue('nlp', 'acme'), queue('globex'), queue('acme'), queue('ner', 'nlp')]);
    expect(rows.map(({ label }) => label)).toEqual(['globex', 'acme', '└ nlp', '  └ ner']);
  });

  test('leaves nothing out, even where parents go round in a ring or are not in sight', () => {
    const rows = inTreeOrder([queue('a', 'b'), queue('b', 'a'), queue('c', 'hidden')]);
    expect(rows.map(({ queue: each }) => each.name).toSorted()).toEqual(['a', 'b', 'c']);
  });
});

test('top shows machines, what runs and what waits', () => {
  const running = job({
    state: 'running',
    progress: { step: 50, totalSteps: 100, loss: 3.2, etaSeconds: 60 },
  });
  const text = plain(topText({ nodes: [node], jobs: [running], waiting: [job()], endpoints: [] }));
  expect(text).toContain('gpu-1');
  expect(text).toMatch(/bert +nlp +0 +50\/100 +━━━━━━──────/);
  expect(text).toMatch(/WAITS/);
});
