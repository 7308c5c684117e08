/** What can be done to a job that exists: follow it, wait for it, stop it, run it again, delete it. */
import { type Job, isTerminal, jobStates } from '@gantry/contract';
import { parseDuration } from '@gantry/kit';
import type { Command } from 'commander';
import { CliError } from '../../cli-error.ts';
import { example } from '../../command-group.ts';
import { type Connection, connect } from '../../connection.ts';
import { exitCodes } from '../../exit-codes.ts';
import { followJob } from '../../follow-job.ts';
import { isJson, print, showOne } from '../../output.ts';
import { nodeNames } from '../../resource-names.ts';
import { stateLine } from '../../views/job.ts';
import { finish, tellOnInterrupt, untilEnd } from './submit-job.ts';

export function actCommands(job: Command): void {
  example(
    job
      .command('watch <name>')
      .description('Follow a job to its end, with progress; the exit code tells success'),
    'gantry job watch train-1',
  ).action(async (name: string, _options: unknown, command: Command) => {
    const { client } = connect(command);
    const found = await client.call('jobs.get', { params: { name } });
    const nameOf = await nodeNames(client);
    using _interrupt = tellOnInterrupt(found.name);
    await finish(
      command,
      client,
      isJson(command)
        ? await untilEnd(client, found)
        : await followJob(client, found.id, (each) => print(stateLine(each, nameOf))),
    );
  });

  example(
    job
      .command('wait <name>')
      .description('Wait in silence until a job has ended or reached a state')
      .option('--for <STATE>', 'the state to wait for; without it, the end')
      .option('--timeout <DURATION>', 'give up after this, like 90s or 5m'),
    'gantry job wait train-1 && gantry model show notes',
    'gantry job wait train-1 --for running --timeout 5m',
  ).action(async (name: string, options: { for?: string; timeout?: string }, command: Command) => {
    const { client } = connect(command);
    const state = stateOption(options.for);
    const timeoutMs = options.timeout === undefined ? undefined : timeoutOption(options.timeout);
    const ended = await waitFor(client, name, state, timeoutMs);
    if (state === undefined || (isTerminal(ended.state) && ended.state !== state)) {
      await finish(command, client, ended);
      if (isJson(command)) return;
    }
    const nameOf = await nodeNames(client);
    showOne(command, ended, () => stateLine(ended, nameOf));
  });

  for (const { verb, description } of [
    { verb: 'cancel', description: 'Stop a job: SIGTERM, deadline, SIGKILL' },
    { verb: 'suspend', description: 'Let a job rest: it saves a checkpoint and gives its machines back' },
    { verb: 'resume', description: 'Queue a suspended job again; it goes on from its newest checkpoint' },
    { verb: 'retry', description: 'Queue an ended job again' },
  ] as const) {
    example(job.command(`${verb} <name>`).description(description), `gantry job ${verb} train-1`).action(
      async (name: string, _options: unknown, command: Command) => {
        const { client } = connect(command);
        const found = await client.call(`jobs.${verb}`, { params: { name } });
        const nameOf = await nodeNames(client);
        showOne(command, found, () => stateLine(found, nameOf));
      },
    );
  }

  example(
    job.command('delete <name>').description('Delete an ended job with its files'),
    'gantry job delete train-1',
  ).action(async (name: string, _options: unknown, command: Command) => {
    await connect(command).client.call('jobs.delete', { params: { name } });
    showOne(command, { ok: true }, () => `  job ${name} deleted`);
  });
}

/** The job once it is in that state, or has ended without it. */
async function waitFor(
  client: Connection['client'],
  name: string,
  state: Job['state'] | undefined,
  timeoutMs: number | undefined,
): Promise<Job> {
  const signal = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
  let last = await client.call('jobs.get', { params: { name } });
  const isThere = (): boolean => last.state === state || isTerminal(last.state);
  while (!isThere()) {
    try {
      const options = signal === undefined ? {} : { signal };
      for await (const { event, data } of client.watch(
        'jobs.watch',
        { params: { name: last.id } },
        options,
      )) {
        if (event === 'job') last = data as Job;
        if (isThere()) return last;
      }
    } catch (error) {
      if (signal?.aborted === true)
        throw new CliError('timeout', `job ${last.name} is still ${last.state}`, {
          exitCode: exitCodes.timeout,
          hint: `why: gantry job why ${last.name}`,
        });
      if (!(error instanceof Error)) throw error;
    }
    if (!isThere()) await new Promise((resolve) => setTimeout(resolve, 500));
  }
  return last;
}

function stateOption(text: string | undefined): Job['state'] | undefined {
  const state = jobStates.find((each) => each === text);
  if (text === undefined || state !== undefined) return state;
  throw new CliError('bad_request', `there is no state "${text}"`, {
    hint: `one of ${jobStates.join(', ')}`,
  });
}

function timeoutOption(text: string): number {
  const milliseconds = parseDuration(text);
  if (milliseconds !== undefined) return milliseconds;
  throw new CliError('bad_request', `--timeout ${text} is no duration`, { hint: 'write it like 90s or 5m' });
}
