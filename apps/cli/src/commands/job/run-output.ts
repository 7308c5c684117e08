/** What rank 0 writes, as it writes it and where it wrote it: a job in the foreground feels like the command itself. */
import { type Job, isTerminal } from '@gantry/contract';
import type { Client } from '@gantry/sdk';

const mostFailures = 20;
const pauseMs = 500;

export interface OutputSink {
  readonly stdout: (chunk: Uint8Array) => void;
  readonly stderr: (chunk: Uint8Array) => void;
}

/** Ends with the job, when all that it wrote has been passed on. */
export async function followOutput(
  client: Client,
  job: Job,
  sink: OutputSink,
  onJob: (job: Job) => void,
): Promise<Job> {
  let last = job;
  const streamed = new Map<string, Promise<unknown>>();
  const look = (now: Job): void => {
    last = now;
    onJob(now);
    const attempt = now.attempts.at(-1);
    if (attempt === undefined || now.state === 'queued' || now.state === 'starting') return;
    // Each attempt writes logs of its own.
    if (streamed.has(attempt.id)) return;
    streamed.set(
      attempt.id,
      Promise.all([
        passOn(client, job.id, 'stdout', sink.stdout),
        passOn(client, job.id, 'stderr', sink.stderr),
      ]),
    );
  };
  for (let failures = 0; !isTerminal(last.state);) {
    try {
      for await (const { event, data } of client.watch('jobs.watch', { params: { name: job.id } }))
        if (event === 'job') look(data as Job);
      failures = 0;
    } catch (error) {
      failures += 1;
      if (failures > mostFailures) throw error;
    }
    // The server went away meanwhile: the job goes on without it, so do we.
    if (!isTerminal(last.state)) await pause();
  }
  await Promise.all(streamed.values());
  return last;
}

async function passOn(
  client: Client,
  name: string,
  stream: keyof OutputSink,
  write: (chunk: Uint8Array) => void,
): Promise<void> {
  let sinceBytes = 0;
  for (let failures = 0; failures <= mostFailures; failures += 1) {
    try {
      const query = { stream, follow: 'true', sinceBytes } as const;
      for await (const chunk of client.log('jobs.logs', { params: { name }, query })) {
        sinceBytes += chunk.length;
        write(chunk);
      }
      return;
    } catch {
      await pause();
    }
  }
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, pauseMs));
