import type { Job } from '@gantry/contract';
import { countOf, formatBytes, formatDuration } from '@gantry/kit';
import type { Client } from '@gantry/sdk';
import { CliError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { followJob } from '../follow-job.ts';
import { readJobFile } from '../job-file.ts';
import { print } from '../output.ts';
import { trainedText } from '../views/training.ts';
import { sayStep } from './say-step.ts';

/** Submits the file as anybody would and waits; the job that ended well, with its model's version. */
export async function trainModel(client: Client, file: string): Promise<Job> {
  const submittedMs = Date.now();
  const job = await client.call(
    'jobs.submit',
    { body: readJobFile(file) },
    { idempotencyKey: crypto.randomUUID() },
  );
  const ended = await followJob(client, job.name, (each) => sayState(each, submittedMs));
  if (ended.state !== 'succeeded') {
    for (const line of ended.stderrTail ?? []) process.stderr.write(`    ${line}\n`);
    throw new CliError(
      'job_failed',
      `job ${job.name} ${ended.state}: ${ended.exitMessage ?? ended.exitClass ?? ''}`,
      { exitCode: exitCodes.job_failed, hint: ended.hint ?? `./gantry job show ${job.name}` },
    );
  }
  sayStep('trained', formatDuration(Date.now() - submittedMs), trainedText(ended));
  await sayModel(client, ended);
  return ended;
}

function sayState(job: Job, submittedMs: number): void {
  if (job.state === 'running') {
    const ranks = job.attempts.at(-1)?.placement.length ?? 0;
    const took =
      job.startedAt === undefined
        ? Date.now() - submittedMs
        : Date.parse(job.startedAt) - Date.parse(job.createdAt);
    sayStep(
      `job ${job.name}`,
      formatDuration(took),
      `queued → running · ${countOf(ranks, 'rank')} on this machine`,
    );
  } else if (job.state === 'queued' && job.waiting?.reasons[0] !== undefined)
    print(`  … ${job.name} waits: ${job.waiting.reasons[0].message}`);
}

async function sayModel(client: Client, { name: jobName, modelVersion = '' }: Job): Promise<void> {
  const name = modelVersion.split('@')[0] ?? '';
  const version = (await client.call('models.versions', { params: { name } })).items[0];
  const files = (version?.files ?? [])
    .filter(({ path }) => /\.(safetensors|gguf)$/.test(path))
    .map(({ path, bytes }) => `${path.split('.').at(-1)} ${formatBytes(bytes)}`);
  sayStep(`model ${modelVersion}`, '', `${files.join(', ')} · from job ${jobName}`);
}
