/** From nothing to an answer, through the public API only: the same job file submitted by hand gives the same model. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Job } from '@gantry/contract';
import { formatBytes, formatDuration } from '@gantry/kit';
import { createClient } from '@gantry/sdk';
import type { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { type GlobalOptions, quickstartDataDir, readServer } from '../connection.ts';
import { exitCodes } from '../exit-codes.ts';
import { followJob } from '../follow-job.ts';
import { readJobFile } from '../job-file.ts';
import { print } from '../output.ts';
import { isPortFree, startServer } from '../server-process.ts';
import { streamCompletion } from '../stream-completion.ts';
import { trainedText } from '../views/training.ts';
import { waitForEndpoint } from '../wait-for-endpoint.ts';

const step = (what: string, took: string, text: string): void =>
  print(`  ✓ ${what.padEnd(24)} ${took.padStart(8)}   ${text}`);

export function quickstartCommand(program: Command): void {
  program
    .command('quickstart')
    .description('Start a platform, train a small language model on this project, serve it and ask it')
    .option('--port <N>', 'HTTP port', Number, 7070)
    .option('--file <FILE>', 'the job file to run')
    .addHelpText('after', '\nExample:\n  gantry quickstart')
    .action(async (options: { port: number; file?: string }, command: Command) => {
      await quickstart(
        resolve(command.optsWithGlobals<GlobalOptions>().dataDir ?? quickstartDataDir()),
        options,
      );
    });
}

async function quickstart(dataDir: string, options: { port: number; file?: string }): Promise<void> {
  const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..', '..');
  const file =
    options.file ?? process.env['GANTRY_QUICKSTART_FILE'] ?? join(root, 'examples', 'quickstart.yaml');
  const installMs = Number(process.env['GANTRY_INSTALL_MS'] ?? 0);
  step('installed', installMs > 0 ? formatDuration(installMs) : 'before', `node ${process.version}`);

  const upMs = Date.now();
  const running = readServer(dataDir);
  const { url } =
    running ?? (await startServer({ dataDir, args: ['--port', String(await freePort(options.port))] }));
  const key = readFileSync(join(dataDir, 'keys', 'operator.key'), 'utf8').trim();
  const client = createClient({ baseUrl: url, key });
  const status = await client.call('status.get', {});
  const node = (await client.call('nodes.list', {})).items[0];
  step(
    'platform up',
    formatDuration(Date.now() - upMs),
    `${url} · ${status.database} · ${(node?.cpuMilli ?? 0) / 1000} CPUs, ${node?.devices.length === 0 ? 'no GPU' : `${node?.devices.length} × ${node?.devices[0]?.model}`}`,
  );

  const submittedMs = Date.now();
  const job = await client.call(
    'jobs.submit',
    { body: readJobFile(file) },
    { idempotencyKey: crypto.randomUUID() },
  );
  const ended = await followJob(client, job.name, (each) => tell(each, submittedMs));
  if (ended.state !== 'succeeded') {
    for (const line of ended.stderrTail ?? []) process.stderr.write(`    ${line}\n`);
    throw new CliError(
      'job_failed',
      `job ${job.name} ${ended.state}: ${ended.exitMessage ?? ended.exitClass ?? ''}`,
      { exitCode: exitCodes.job_failed, hint: ended.hint ?? `./gantry job show ${job.name}` },
    );
  }
  step('trained', formatDuration(Date.now() - submittedMs), trainedText(ended));

  const name = (ended.modelVersion ?? '').split('@')[0] ?? '';
  const version = (await client.call('models.versions', { params: { name } })).items[0];
  step(
    `model ${ended.modelVersion ?? ''}`,
    '',
    `${
      version?.files
        .filter(({ path }) => /\.(safetensors|gguf)$/.test(path))
        .map(({ path, bytes }) => `${path.split('.').at(-1)} ${formatBytes(bytes)}`)
        .join(', ') ?? ''
    } · from job ${job.name}`,
  );

  const serveMs = Date.now();
  const known = await client.call('endpoints.list', {});
  if (known.items.some((each) => each.name === 'chat'))
    await client.call('endpoints.update', {
      params: { name: 'chat' },
      body: { model: ended.modelVersion ?? '' },
    });
  else await client.call('endpoints.create', { body: { name: 'chat', model: ended.modelVersion ?? '' } });
  const endpoint = await waitForEndpoint(client, 'chat', 60_000);
  if (endpoint.state !== 'ready')
    throw new CliError('job_failed', `the endpoint is ${endpoint.state} after a minute`, {
      exitCode: exitCodes.job_failed,
      hint: './gantry endpoint show chat',
    });
  step(
    'endpoint chat',
    formatDuration(Date.now() - serveMs),
    `${endpoint.replicas.filter(({ state }) => state === 'ready').length} replica ready`,
  );

  const prompt = 'A gang is placed only when';
  process.stdout.write(`    "${prompt}" → `);
  for await (const text of streamCompletion({ url, key, model: 'chat', prompt, maxTokens: 40 }))
    process.stdout.write(text.replaceAll('\n', ' '));
  print('\n');

  const usage = await client.call('usage.report', { query: { by: 'resource' } });
  const gantry = existsSync(join(root, 'gantry'))
    ? `./${relative(process.cwd(), join(root, 'gantry')) || 'gantry'}`
    : 'gantry';
  const cost = usage.items.reduce((sum, row) => sum + row.cost, 0);
  print(
    `  Cost:     ${cost.toFixed(6)} ${usage.items[0]?.currency ?? 'USD'} · ${usage.items
      .filter(({ unit }) => unit === 's')
      .map(({ quantity, resource }) => `${Math.round(quantity)} ${resource}`)
      .join(', ')}`,
  );
  print(
    `  Ask it:   curl ${url}/v1/completions -H "authorization: Bearer $(${gantry} key show)" -H 'content-type: application/json' -d '{"model": "chat", "prompt": "${prompt}", "max_tokens": 40}'`,
  );
  print(`  Look:     ${gantry} job show ${job.name} · ${gantry} usage · ${gantry} top · ${url}`);
  print(`  Yours:    ${gantry} train --data 'notes/**/*.md' --depth 6`);
  print(`  Stop:     ${gantry} down      remove everything: ${gantry} down --purge --yes`);
}

function tell(job: Job, submittedMs: number): void {
  if (job.state === 'running') {
    const ranks = job.attempts.at(-1)?.placement.length ?? 0;
    const took =
      job.startedAt === undefined
        ? Date.now() - submittedMs
        : Date.parse(job.startedAt) - Date.parse(job.createdAt);
    step(`job ${job.name}`, formatDuration(took), `queued → running · ${ranks} ranks on this machine`);
  } else if (job.state === 'queued' && job.waiting?.reasons[0] !== undefined)
    print(`  … ${job.name} waits: ${job.waiting.reasons[0].message}`);
}

async function freePort(wanted: number): Promise<number> {
  for (let port = wanted; port < wanted + 50; port += 1) if (await isPortFree(port)) return port;
  return 0;
}
