/** From nothing to an answer, through the public API only: the same job file submitted by hand gives the same model. */
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { formatDuration } from '@gantry/kit';
import type { Command } from 'commander';
import { type GlobalOptions, quickstartDataDir } from '../connection.ts';
import { print } from '../output.ts';
import { sayClosingWords } from '../quickstart/closing-words.ts';
import { sayStep } from '../quickstart/say-step.ts';
import { serveModel, whileResting } from '../quickstart/serve-model.ts';
import { startPlatform } from '../quickstart/start-platform.ts';
import { trainModel } from '../quickstart/train-model.ts';
import { streamCompletion } from '../stream-completion.ts';

const endpoint = 'chat';
const prompt = 'A gang is placed only when';

export function quickstartCommand(program: Command): void {
  program
    .command('quickstart')
    .description('Start a platform, train a small language model on this project, serve it and ask it')
    .option('--port <N>', 'HTTP port', Number, 7070)
    .option('--file <FILE>', 'the job file to run')
    .addHelpText('after', '\nExample:\n  gantry quickstart')
    .action(async (options: { port: number; file?: string }, command: Command) => {
      const dataDir = resolve(command.optsWithGlobals<GlobalOptions>().dataDir ?? quickstartDataDir());
      await quickstart(dataDir, options);
    });
}

async function quickstart(dataDir: string, options: { port: number; file?: string }): Promise<void> {
  const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..', '..');
  const file =
    options.file ?? process.env['GANTRY_QUICKSTART_FILE'] ?? join(root, 'examples', 'quickstart.yaml');
  const installMs = Number(process.env['GANTRY_INSTALL_MS'] ?? 0);
  sayStep('installed', installMs > 0 ? formatDuration(installMs) : 'before', `node ${process.version}`);

  const platform = await startPlatform(dataDir, options.port);
  const { url, key, client } = platform;
  const job = await whileResting(client, endpoint, () => trainModel(client, file));
  await serveModel(client, endpoint, job.modelVersion ?? '');

  process.stdout.write(`    "${prompt}" → `);
  for await (const text of streamCompletion({ url, key, model: endpoint, prompt, maxTokens: 40 }))
    process.stdout.write(text.replaceAll('\n', ' '));
  print('\n');
  await sayClosingWords(platform, { root, dataDir, jobName: job.name, model: endpoint, prompt });
}
