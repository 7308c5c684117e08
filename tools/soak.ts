/**
 * `npm run soak`: the long versions of what the tests do briefly. Kills of server and shim (200 rounds), then
 * random traffic against the engine (5,000 requests). Every figure comes with its seed; exit code 1 when a
 * promise broke. Flags: --rounds N --requests N --seed N --minutes N (ends early, says so).
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { killRounds, processesOf, until, wrongWith } from '../apps/server/src/e2e/testing/kill-rounds.ts';
import { createLlamaEngine } from '../packages/engines/src/llamacpp/llama-engine.ts';
import { writePermutationModel } from '../packages/engines/src/testing/permutation-model.ts';
import { runRandomTraffic } from '../packages/engines/src/testing/random-traffic.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '200' },
    requests: { type: 'string', default: '5000' },
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '60' },
  },
});
const seed = Number(values.seed);
const endsAtMs = performance.now() + Number(values.minutes) * 60_000;
const say = (line: string): boolean => process.stdout.write(`  ${line}\n`);

async function soakKills(dir: string): Promise<readonly string[]> {
  const wanted = Number(values.rounds);
  const wrong: string[] = [];
  const counts = new Map<string, number>();
  let rounds = 0;
  if (wanted > 0) {
    for await (const result of killRounds({ dir, rounds: wanted, seed })) {
      rounds += 1;
      const kind = `${result.killed} killed when ${result.moment}`;
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
      for (const line of wrongWith(result)) {
        wrong.push(line);
        say(line);
      }
      if (rounds % 20 === 0) say(`${rounds} rounds, ${wrong.length} wrong`);
      if (performance.now() > endsAtMs) break;
    }
    await until(async () => (await processesOf(dir)).length === 0).catch(async () =>
      wrong.push(...(await processesOf(dir)).map((line) => `left behind: ${line}`)),
    );
  }
  say(`kills: ${rounds} of ${wanted} rounds, seed ${seed}, ${wrong.length} wrong`);
  for (const [kind, count] of counts) say(`  ${count} × ${kind}`);
  return wrong;
}

async function soakTraffic(dir: string): Promise<readonly string[]> {
  const modelPath = join(dir, 'model.gguf');
  await writePermutationModel(modelPath);
  await using engine = await createLlamaEngine({
    modelPath,
    slots: 4,
    threads: 1,
    stepTokens: 64,
    prefillTokens: 16,
  });
  const requests = Number(values.requests);
  const result = await runRandomTraffic(engine, { requests, seed, concurrency: 9 });
  const { completed, cancelled, tokens, wrong } = result;
  say(
    `traffic: ${completed} completed, ${cancelled} cancelled, ${tokens} tokens, seed ${seed}, ${wrong.length} wrong`,
  );
  for (const line of wrong.slice(0, 20)) say(line);
  return wrong;
}

const dir = await mkdtemp(join(tmpdir(), 'gantry-soak-'));
try {
  const wrong = [...(await soakKills(dir)), ...(await soakTraffic(dir))];
  process.exitCode = wrong.length === 0 ? 0 : 1;
} finally {
  await rm(dir, { recursive: true, force: true });
}
