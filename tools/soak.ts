/**
 * `npm run soak`: the long versions of what the tests do briefly. Kills of every process there is (200 rounds),
 * then random traffic against both language-model engines (5,000 requests each), random lives of clusters (10,000), mixed jobs through the
 * real server on simulated machines (5,000), then the quickstart twice. Every figure comes with its seed. Exit code 1
 * when a promise broke or when it ended before its count. Flags: --rounds N, --worlds N (platforms side by side),
 * --ranks N (kills of training ranks alone), --requests N, --lives N, --jobs N, --seed N, --minutes N, --report FILE (docs/soak.md), --no-quickstart.
 */
import { writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type RoundResult, killRounds } from '../apps/server/src/e2e/testing/kill-rounds.ts';
import { runMixedJobs } from '../apps/server/src/e2e/testing/mixed/run-mixed-jobs.ts';
import { createScratchDir } from '../apps/server/src/e2e/testing/scratch-dir.ts';
import { createLlamaEngine } from '../packages/engines/src/llamacpp/llama-engine.ts';
import type { LlmEngine } from '../packages/engines/src/llm-engine.ts';
import { createPagedEngine } from '../packages/engines/src/paged/paged-engine.ts';
import {
  writePermutationFolder,
  writePermutationModel,
} from '../packages/engines/src/testing/permutation-model.ts';
import { runRandomTraffic } from '../packages/engines/src/testing/random-traffic.ts';
import { runClusterLives } from '../packages/scheduling/src/soak/cluster-life.ts';
import { killRanks } from './soak/rank-kills.ts';
import { soakQuickstart } from './soak/quickstart.ts';
import { killTable } from './soak/kill-table.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '200' },
    ranks: { type: 'string', default: '100' },
    requests: { type: 'string', default: '5000' },
    jobs: { type: 'string', default: '5000' },
    lives: { type: 'string', default: '10000' },
    worlds: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '90' },
    report: { type: 'string' },
    'no-quickstart': { type: 'boolean', default: false },
  },
});
const seed = Number(values.seed);
const startedAtMs = performance.now();
const endsAtMs = startedAtMs + Number(values.minutes) * 60_000;
const say = (line: string): boolean => process.stdout.write(`  ${line}\n`);
const minutesSince = (fromMs: number): string => ((performance.now() - fromMs) / 60_000).toFixed(1);

/** Several platforms side by side, each on its own data directory; a platform that breaks ends its own rounds only. */
async function soakKills(dir: string): Promise<readonly string[]> {
  const [wanted, worlds] = [Number(values.rounds), Number(values.worlds)];
  const results: RoundResult[] = [];
  const wrong: string[] = [];
  const report = (): void => {
    if (values.report === undefined) return;
    const minutes = minutesSince(startedAtMs);
    writeFileSync(values.report, killTable(results, { wanted, worlds, seed, minutes }));
  };
  const note = (result: RoundResult): void => {
    results.push(result);
    wrong.push(...result.wrong);
    for (const line of result.wrong) say(line);
    if (results.length % 10 > 0) return;
    say(`${results.length} of ${wanted} rounds, ${wrong.length} wrong, ${minutesSince(startedAtMs)} min`);
    report();
  };
  const play = async (world: number): Promise<void> => {
    const rounds = Math.floor(wanted / worlds) + (world < wanted % worlds ? 1 : 0);
    const home = join(dir, `world-${world}`);
    await mkdir(home);
    for await (const result of killRounds({ dir: home, rounds, seed: seed + world })) {
      note(result);
      if (performance.now() > endsAtMs) break;
    }
  };
  await Promise.all(
    Array.from({ length: wanted > 0 ? worlds : 0 }, (_, world) =>
      play(world).catch((error: unknown) => {
        wrong.push(error instanceof Error ? error.message : String(error));
        say(wrong.at(-1) ?? '');
      }),
    ),
  );
  report();
  if (results.length < wanted) wrong.push(`ended after ${results.length} of ${wanted} rounds`);
  say(`kills: ${results.length} of ${wanted} rounds, seed ${seed}, ${wrong.length} wrong`);
  return wrong;
}

/** Ranks of one training, without a server: dying at random moments, most of them within a save. */
async function soakRanks(): Promise<readonly string[]> {
  const rounds = Number(values.ranks);
  const wrong: string[] = [];
  let [done, torn, furthest] = [0, 0, 0];
  if (rounds === 0) return wrong;
  for await (const round of killRanks(rounds, seed)) {
    done += 1;
    torn += round.torn;
    furthest = Math.max(furthest, round.resumedFromStep);
    wrong.push(...round.wrong);
    for (const line of round.wrong) say(line);
    if (performance.now() > endsAtMs) break;
  }
  if (done < rounds) wrong.push(`ended after ${done} of ${rounds} kills of ranks`);
  say(
    `ranks: ${done} of ${rounds} kills, ${torn} left a torn save, training came to step ${furthest}, seed ${seed}, ${wrong.length} wrong`,
  );
  return wrong;
}

async function soakTraffic(dir: string): Promise<readonly string[]> {
  const requests = Number(values.requests);
  if (requests === 0) return [];
  const modelPath = join(dir, 'model.gguf');
  await writePermutationModel(modelPath);
  await using engine = await createLlamaEngine({
    modelPath,
    slots: 4,
    threads: 1,
    stepTokens: 64,
    prefillTokens: 16,
    parking: { folder: dir, bytes: 2_000_000 },
    speculation: { method: 'ngram', tokens: 4 },
  });
  await writePermutationFolder(join(dir, 'folder'));
  // Little memory: sequences are preempted, and both slower tiers are in use.
  await using paged = await createPagedEngine({
    folder: join(dir, 'folder'),
    slots: 6,
    threads: 1,
    stepTokens: 64,
    prefillTokens: 16,
    contextTokens: 160,
    kvBytes: 400_000,
    spillMemoryBytes: 50_000,
    spillDiskBytes: 500_000,
    spillFolder: dir,
    speculation: { method: 'ngram', tokens: 4 },
  });
  return [
    ...(await trafficOf('llama.cpp', engine, requests)),
    ...(await trafficOf('paged', paged, requests)),
  ];
}

async function trafficOf(name: string, engine: LlmEngine, requests: number): Promise<readonly string[]> {
  const result = await runRandomTraffic(engine, { requests, seed, concurrency: 9 });
  const { completed, cancelled, tokens, wrong } = result;
  const { preemptions = 0, draftedTokens, acceptedTokens } = engine.stats();
  say(
    `traffic, ${name}: ${completed} completed, ${cancelled} cancelled, ${tokens} tokens, ${preemptions} preemptions, ${acceptedTokens} of ${draftedTokens} guesses held, seed ${seed}, ${wrong.length} wrong`,
  );
  for (const line of wrong.slice(0, 20)) say(line);
  return wrong;
}

/** Whole lives of made-up clusters, each planned by the live engine; a broken promise names the seed of its life. */
function soakLives(): readonly string[] {
  const count = Number(values.lives);
  if (count === 0) return [];
  const broken = runClusterLives({ seed, count });
  say(`lives: ${count}, seed ${seed}, ${broken.length} wrong`);
  for (const line of broken.slice(0, 20)) say(line);
  return broken;
}

/** A server of its own for every so many jobs, started again four times on the way. */
const JOBS_A_SERVER = 500;

async function soakJobs(dir: string): Promise<readonly string[]> {
  const wanted = Number(values.jobs);
  const wrong: string[] = [];
  let [done, attempts] = [0, 0];
  for (let world = 0; done < wanted; world += 1) {
    const home = join(dir, `jobs-${world}`);
    await mkdir(home);
    const jobs = Math.min(JOBS_A_SERVER, wanted - done);
    const result = await runMixedJobs({ dir: home, jobs, seed: seed + world, restarts: 4 });
    done += jobs;
    attempts += result.attempts;
    wrong.push(...result.wrong.map((line) => `seed ${seed + world}: ${line}`));
    for (const line of result.wrong.slice(0, 20)) say(line);
  }
  if (wanted > 0) say(`jobs: ${done} in ${attempts} attempts, seeds from ${seed}, ${wrong.length} wrong`);
  return wrong;
}

await using dir = await createScratchDir('soak');
const wrong = [
  ...(await soakKills(dir.path)),
  ...(await soakRanks()),
  ...(await soakTraffic(dir.path)),
  ...soakLives(),
  ...(await soakJobs(dir.path)),
  ...(values['no-quickstart'] ? [] : await soakQuickstart(say)),
];
process.exitCode = wrong.length === 0 ? 0 : 1;
