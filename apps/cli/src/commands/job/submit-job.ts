/** What `job submit`, `job run` and `train` share: submit, then follow to the end or return at once. */
import { type Job, type JobSpecInput, isTerminal } from '@gantry/contract';
import type { Command } from 'commander';
import { CliError } from '../../cli-error.ts';
import { type Connection, connect } from '../../connection.ts';
import { exitCodes } from '../../exit-codes.ts';
import { followJob } from '../../follow-job.ts';
import { isJson, print, showOne } from '../../output.ts';
import { describeJob, stateLine } from '../../views/job.ts';
import { trainedLines } from '../../views/training.ts';

export interface SubmitOptions {
  readonly isFollowed: boolean;
  /** Prints what rank 0 wrote once the job has ended, as the command itself would have. */
  readonly withOutput?: boolean;
}

export async function submitJob(
  command: Command,
  spec: JobSpecInput,
  { isFollowed, withOutput = false }: SubmitOptions,
): Promise<void> {
  const { client } = connect(command);
  const job = await client.call('jobs.submit', { body: spec }, { idempotencyKey: crypto.randomUUID() });
  if (!isFollowed) {
    showOne(
      command,
      job,
      () => `  ✓ job ${job.name}   ${job.state} in ${job.queue}\n  follow it: gantry job watch ${job.name}`,
    );
    return;
  }
  if (isJson(command)) {
    finish(command, await untilEnd(client, job));
    return;
  }
  print(`  ✓ job ${job.name}`);
  const ended = await followJob(client, job.name, (each) => print(stateLine(each)));
  if (withOutput)
    for await (const chunk of client.log('jobs.logs', { params: { name: job.name }, query: {} }))
      process.stdout.write(chunk);
  if (ended.state === 'succeeded' && spec.train !== undefined) print(trainedLines(ended));
  finish(command, ended);
}

/** Waits in silence; the stream of a job ends with the job, or with the server, which is asked again. */
export async function untilEnd(client: Connection['client'], job: Job): Promise<Job> {
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
export function finish(command: Command, job: Job): void {
  if (isJson(command)) print(JSON.stringify(job, null, 2));
  if (job.state === 'succeeded') return;
  if (!isJson(command)) print(describeJob(job));
  throw new CliError(
    'job_failed',
    `job ${job.name} ${job.state}${job.exitClass === undefined ? '' : ` (${job.exitClass})`}`,
    { exitCode: exitCodes.job_failed, ...(job.hint === undefined ? {} : { hint: job.hint }) },
  );
}
