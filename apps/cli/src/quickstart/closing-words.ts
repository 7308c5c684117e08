import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { defaultDataDir, quickstartDataDir } from '../connection.ts';
import { print } from '../output.ts';
import type { Platform } from './start-platform.ts';

/** What it cost, how to ask again, where to look, how to make it one's own, how to be rid of it. */
export async function sayClosingWords(
  { url, client }: Platform,
  asked: {
    readonly root: string;
    readonly dataDir: string;
    readonly jobName: string;
    readonly model: string;
    readonly prompt: string;
  },
): Promise<void> {
  const usage = await client.call('usage.report', { query: { by: 'resource' } });
  const program = existsSync(join(asked.root, 'gantry'))
    ? `./${relative(process.cwd(), join(asked.root, 'gantry')) || 'gantry'}`
    : 'gantry';
  // Beside a platform of one's own the commands must mean the quickstart's, above all the one that removes.
  const isAlone = asked.dataDir === quickstartDataDir() && !existsSync(defaultDataDir());
  const gantry = isAlone ? program : `${program} --data-dir ${asked.dataDir}`;
  const cost = usage.items.reduce((sum, row) => sum + row.cost, 0);
  const seconds = usage.items
    .filter(({ unit }) => unit === 's')
    .map(({ quantity, resource }) => `${Math.round(quantity)} ${resource}`);
  const body = JSON.stringify({ model: asked.model, prompt: asked.prompt, max_tokens: 40 });
  print(`  Cost:     ${cost.toFixed(6)} ${usage.items[0]?.currency ?? 'USD'} · ${seconds.join(', ')}`);
  print(
    `  Ask it:   curl ${url}/v1/completions -H "authorization: Bearer $(${gantry} key show)" -H 'content-type: application/json' -d '${body}'`,
  );
  print(`  Look:     ${gantry} job show ${asked.jobName} · ${gantry} usage · ${gantry} top · ${url}`);
  print(`  Yours:    ${gantry} train --data 'notes/**/*.md' --depth 6`);
  print(`  Stop:     ${gantry} down      remove everything: ${gantry} down --purge --yes`);
}
