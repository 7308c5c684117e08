/** The quickstart with its real job file, then the file by hand: the same model, and one that has learned. */
import { join } from 'node:path';
import { createBench } from '../../apps/cli/src/e2e/gantry.ts';
import { quickstartTwice } from '../../apps/cli/src/e2e/quickstart-twice.ts';

export async function soakQuickstart(say: (line: string) => void): Promise<readonly string[]> {
  await using bench = createBench();
  const file = join(import.meta.dirname, '..', '..', 'examples', 'quickstart.yaml');
  const { job, metrics, models } = await quickstartTwice(bench, file);
  const { firstLoss, loss } = job.progress ?? {};
  const { validationLoss, bigramLoss } = metrics;
  const [start = 0, end = Number.POSITIVE_INFINITY] = [firstLoss ?? undefined, loss ?? undefined];
  const wrong: string[] = [];
  if (JSON.stringify(models[0]) !== JSON.stringify(models[1]))
    wrong.push(`quickstart and its file by hand gave different models: ${JSON.stringify(models)}`);
  if (!(end < 0.6 * start)) wrong.push(`the quickstart's loss went from ${start} to ${end}`);
  if (!((validationLoss ?? Number.POSITIVE_INFINITY) < (bigramLoss ?? 0)))
    wrong.push(`held-out loss ${validationLoss}, a bigram model's is ${bigramLoss}`);
  say(
    `quickstart: loss ${start.toFixed(2)} → ${end.toFixed(2)}, held out ${validationLoss?.toFixed(2)}, ` +
      `bigram ${bigramLoss?.toFixed(2)}, the same model by hand, ${wrong.length} wrong`,
  );
  return wrong;
}
