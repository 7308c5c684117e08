/** What `job submit`, `job run` and `train` share: submit, then follow to the end or return at once. */
import { type Job, type JobSpecInput, isTerminal } from '@gantry/contract';
import type { Client } from '@gantry/sdk';
import type { Command } from 'commander';
import { CliError } from '../../cli-error.ts';
import { connect } from '../../connection.ts';
import { exitCodes } from '../../exit-codes.ts';
import { followJob } from '../../follow-job.ts';
import { isJson, print, showOne } from '../../output.ts';
import { nodeNames } from '../../resource-names.ts';
import { describeJob, stateLine } from '../../views/job.ts';
import { trainedLines } from '../../views/training.ts';
import { uploadFolder } from '../../upload/upload-folder.ts';
import { followOutput } from './run-output.ts';

export interface SubmitOptions {
  readonly isFollowed: boolean;
  /** Passes on what rank 0 writes, as the command itself would have; what we say goes to stderr then. */
  readonly withOutput?: boolean;
  /** A folder that goes along. */
  readonly upload?: string;
  /** Lines about what came of it. */
  readonly onSucceeded?: (job: Job, client: Client) => Promise<readonly string[]>;
}

export async function submitJob(
  command: Command,
  spec: JobSpecInput,
  { isFollowed, withOutput = false, upload, onSucceeded }: SubmitOptions,
): Promise<void> {
  const { client } = connect(command);
  const body =
    upload === undefined
      ? spec
      : {
          ...spec,
          upload: (await uploadFolder(client, upload, (text) => process.stderr.write(`${text}\n`))).id,
        };
  const job = await client.call('jobs.submit', { body }, { idempotencyKey: crypto.randomUUID() });
  if (!isFollowed) {
    showOne(
      command,
      job,
      () => `  ✓ job ${job.name}   ${job.state} in ${job.queue}\n  follow it: gantry job watch ${job.name}`,
    );
    return;
  }
  using _interrupt = tellOnInterrupt(job.name);
  if (isJson(command)) {
    await finish(command, client, await untilEnd(client, job));
    return;
  }
  const nameOf = await nodeNames(client);
  const say = withOutput ? (text: string) => process.stderr.write(`${text}\n`) : print;
  say(`  ✓ job ${job.name}`);
  let said = '';
  const onJob = (each: Job): void => {
    const line = stateLine(each, nameOf);
    if (line !== said) say(line);
    said = line;
  };
  const sink = {
    stdout: (chunk: Uint8Array) => process.stdout.write(chunk),
    stderr: (chunk: Uint8Array) => process.stderr.write(chunk),
  };
  const ended = withOutput
    ? await followOutput(client, job, sink, onJob)
    : await followJob(client, job.name, onJob);
  if (ended.state === 'succeeded' && spec.train !== undefined) print(trainedLines(ended));
  if (ended.state === 'succeeded') for (const line of (await onSucceeded?.(ended, client)) ?? []) print(line);
  await finish(command, client, ended, say);
}

/** Ctrl-C ends the watching, not the job: says so, and how to do the other. */
export function tellOnInterrupt(name: string): Disposable {
  const onInterrupt = (): void => {
    process.stderr.write(
      `\n  ${name} goes on without you\n  follow it: gantry job watch ${name}      stop it: gantry job cancel ${name}\n`,
    );
    process.removeListener('SIGINT', onInterrupt);
    // The default again: whoever started us sees that we were interrupted.
    process.kill(process.pid, 'SIGINT');
  };
  process.on('SIGINT', onInterrupt);
  return { [Symbol.dispose]: () => process.removeListener('SIGINT', onInterrupt) };
}

/** Waits in silence; the stream of a job ends with the job, or with the server, which is asked again. */
export async function untilEnd(client: Client, job: Job): Promise<Job> {
  let last = job;
  for (let failures = 0; !isTerminal(last.state);) {
    try {
      for await (const { event, data } of client.watch('jobs.watch', { params: { name: job.id } }))
        if (event === 'job') last = data as Job;
      failures = 0;
    } catch (error) {
      failures += 1;
      if (failures > 20) throw error;
    }
    if (!isTerminal(last.state)) await new Promise((resolve) => setTimeout(resolve, 500));
  }
  return last;
}

/** The last words about a job; the exit code tells success. */
export async function finish(
  command: Command,
  client: Client,
  job: Job,
  say: (text: string) => void = print,
): Promise<void> {
  if (isJson(command)) print(JSON.stringify(job, null, 2));
  if (job.state === 'succeeded') return;
  if (!isJson(command)) say(describeJob(job, await nodeNames(client)));
  throw new CliError(
    'job_failed',
    `job ${job.name} ${job.state}${job.exitClass === undefined ? '' : ` (${job.exitClass})`}`,
    { exitCode: exitCodes.job_failed, ...(job.hint === undefined ? {} : { hint: job.hint }) },
  );
}
