/**
 * `npm run soak`: the long versions of what the tests do briefly. Kills of every process there is (200 rounds),
 * then random traffic against the engine (5,000 requests), then the quickstart twice. Every figure comes with its
 * seed. Exit code 1 when a promise broke or when it ended before its count. Flags: --rounds N --requests N --seed N
 * --minutes N --report FILE (docs/soak.md) --no-quickstart.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type RoundResult, killRounds } from '../apps/server/src/e2e/testing/kill-rounds.ts';
import { createScratchDir } from '../apps/server/src/e2e/testing/scratch-dir.ts';
import { createLlamaEngine } from '../packages/engines/src/llamacpp/llama-engine.ts';
import { writePermutationModel } from '../packages/engines/src/testing/permutation-model.ts';
import { runRandomTraffic } from '../packages/engines/src/testing/random-traffic.ts';
import { soakQuickstart } from './soak/quickstart.ts';
import { killTable } from './soak/kill-table.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '200' },
    requests: { type: 'string', default: '5000' },
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

async function soakKills(dir: string): Promise<readonly string[]> {
  const wanted = Number(values.rounds);
  const results: RoundResult[] = [];
  const wrong: string[] = [];
  const report = (): void => {
    if (values.report === undefined) return;
    writeFileSync(values.report, killTable(results, { wanted, seed, minutes: minutesSince(startedAtMs) }));
  };
  try {
    if (wanted > 0) {
      for await (const result of killRounds({ dir, rounds: wanted, seed })) {
        results.push(result);
        for (const line of result.wrong) {
          wrong.push(line);
          say(line);
        }
        if (results.length % 10 === 0) {
          say(
            `${results.length} of ${wanted} rounds, ${wrong.length} wrong, ${minutesSince(startedAtMs)} min`,
          );
          report();
        }
        if (performance.now() > endsAtMs) break;
      }
    }
  } catch (error) {
    wrong.push(error instanceof Error ? error.message : String(error));
    say(wrong.at(-1) ?? '');
  }
  report();
  if (results.length < wanted) wrong.push(`ended after ${results.length} of ${wanted} rounds`);
  say(`kills: ${results.length} of ${wanted} rounds, seed ${seed}, ${wrong.length} wrong`);
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
  });
  const result = await runRandomTraffic(engine, { requests, seed, concurrency: 9 });
  const { completed, cancelled, tokens, wrong } = result;
  say(
    `traffic: ${completed} completed, ${cancelled} cancelled, ${tokens} tokens, seed ${seed}, ${wrong.length} wrong`,
  );
  for (const line of wrong.slice(0, 20)) say(line);
  return wrong;
}

await using dir = await createScratchDir('soak');
const wrong = [
  ...(await soakKills(dir.path)),
  ...(await soakTraffic(dir.path)),
  ...(values['no-quickstart'] ? [] : await soakQuickstart(say)),
];
process.exitCode = wrong.length === 0 ? 0 : 1;
