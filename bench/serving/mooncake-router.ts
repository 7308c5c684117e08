/**
 * The Mooncake conversation trace (FAST'25) over eight simulated replicas, each with an LRU prefix cache of 8,000
 * blocks and a prefill of 8,000 uncached tokens a second: hit rate, balance, and a proxy of time to first token
 * (work queued before + own uncached prefill).
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chooseByAffinity, PrefixMemory } from '@gantry/serving';
import type { BenchLine } from '../bench-line.ts';
import { median } from './gateway-cost.ts';
import { tracesFolder } from './traces-folder.ts';

interface Request {
  readonly atMs: number;
  readonly tokens: number;
  readonly blocks: readonly number[];
}

const replicas = 8;
const cacheBlocks = 8_000;
const blockTokens = 512;
const tokensPerSecond = 8_000;
/** Peak prefill × the wait that a warm cache is worth. */
const valveTokens = tokensPerSecond * 4;

type Choose = (
  pending: readonly number[],
  cached: readonly number[],
  request: Request,
  turn: number,
) => number;

const roundRobin: Choose = (_pending, _cached, _request, turn) => turn % replicas;
const affinity: Choose = (pending, cached, request, turn) =>
  chooseByAffinity(
    pending.map((pendingTokens, i) => ({ pendingTokens, cachedTokens: cached[i] ?? 0 })),
    request.tokens,
    { valveTokens, warmShare: 0.8 },
    turn % replicas,
  ).index;

interface Outcome {
  readonly hitRate: number;
  readonly imbalance: number;
  readonly p50Seconds: number;
  readonly p99Seconds: number;
}

function simulate(trace: readonly Request[], choose: Choose): Outcome {
  // What each cache really holds; the router is given the same view, as engines that publish events give it.
  const caches = Array.from({ length: replicas }, () => new PrefixMemory(cacheBlocks));
  const freeAtMs = Array.from({ length: replicas }, () => 0);
  const work = Array.from({ length: replicas }, () => 0);
  const ttft: number[] = [];
  let hit = 0;
  let total = 0;
  for (const [turn, request] of trace.entries()) {
    const pending = freeAtMs.map((free) => (Math.max(0, free - request.atMs) / 1_000) * tokensPerSecond);
    const cached = caches.map((cache) => Math.min(request.tokens, cache.match(request.blocks) * blockTokens));
    const chosen = choose(pending, cached, request, turn);
    const uncached = request.tokens - (cached[chosen] ?? 0);
    caches[chosen]?.remember(request.blocks);
    const start = Math.max(request.atMs, freeAtMs[chosen] ?? 0);
    const end = start + (uncached / tokensPerSecond) * 1_000;
    freeAtMs[chosen] = end;
    work[chosen] = (work[chosen] ?? 0) + uncached;
    ttft.push((end - request.atMs) / 1_000);
    hit += (cached[chosen] ?? 0) / blockTokens;
    total += request.blocks.length;
  }
  ttft.sort((a, b) => a - b);
  return {
    hitRate: (hit / total) * 100,
    imbalance: Math.max(...work) / (work.reduce((sum, each) => sum + each, 0) / replicas),
    p50Seconds: median(ttft),
    p99Seconds: ttft[Math.floor(ttft.length * 0.99)] ?? Number.NaN,
  };
}

export function mooncakeRouter(): Promise<BenchLine[]> {
  const file = join(tracesFolder(), 'mooncake/conversation_trace.jsonl');
  if (!existsSync(file))
    throw new Error(`no trace at ${file}: set GANTRY_TRACES to the folder that holds mooncake/`);
  const trace = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => {
      const { timestamp, input_length, hash_ids } = JSON.parse(line) as {
        timestamp: number;
        input_length: number;
        hash_ids: number[];
      };
      return { atMs: timestamp, tokens: input_length, blocks: hash_ids };
    });
  const peer = simulate(trace, roundRobin);
  const ours = simulate(trace, affinity);
  const line = (
    name: string,
    value: number,
    other: number,
    bar: string,
    pass: boolean,
    unit: string,
  ): BenchLine => ({
    bench: 'serving',
    case: `Mooncake conversation, 8 x 8,000 blocks: ${name}`,
    ours: value,
    peer: other,
    peerName: 'round robin',
    better: unit === '%' ? 'more' : 'less',
    bar,
    pass,
    unit,
    rounds: [value],
  });
  return Promise.resolve([
    line('block hits', ours.hitRate, peer.hitRate, '>= 33', ours.hitRate >= 33, '%'),
    line('imbalance (max / mean work)', ours.imbalance, peer.imbalance, '<= 1.2', ours.imbalance <= 1.2, 'x'),
    line(
      'TTFT proxy p50',
      ours.p50Seconds,
      peer.p50Seconds,
      '<= 0.45x peer',
      ours.p50Seconds <= 0.45 * peer.p50Seconds,
      's',
    ),
    line('TTFT proxy p99', ours.p99Seconds, peer.p99Seconds, 'reported', true, 's'),
  ]);
}
