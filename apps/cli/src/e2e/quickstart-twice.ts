/** The quickstart has no private path: its job file is submitted a second time by hand, and the two models compared. */
import type { Job } from '@gantry/contract';
import type { Bench, Ran } from './gantry.ts';

export interface QuickstartTwice {
  readonly ran: Ran;
  /** The one by hand. */
  readonly job: Job;
  readonly metrics: Readonly<Record<string, number>>;
  /** Of each version: its files as `path digest`, in order. */
  readonly models: readonly [byQuickstart: readonly string[], byHand: readonly string[]];
}

interface Version {
  readonly metrics: Readonly<Record<string, number>>;
  readonly files: readonly { readonly path: string; readonly digest: string }[];
}

export async function quickstartTwice(bench: Bench, file: string): Promise<QuickstartTwice> {
  const ran = await bench.gantry('quickstart', '--port', '0', '--file', file);
  if (ran.code !== 0) throw new Error(`quickstart ended with ${ran.code}: ${ran.out}\n${ran.err}`);
  const byHand = await bench.gantry('job', 'submit', file, '--wait');
  if (byHand.code !== 0) throw new Error(`job submit ended with ${byHand.code}: ${byHand.err}`);
  const [job] = await json<readonly Job[]>(bench, 'job', 'list');
  const [name = ''] = (job?.modelVersion ?? '').split('@');
  const [newest, first] = await json<readonly Version[]>(bench, 'model', 'show', name);
  const filesOf = (version: Version | undefined): readonly string[] =>
    (version?.files ?? []).map(({ path, digest }) => `${path} ${digest}`).sort();
  if (job === undefined) throw new Error('the job is not listed');
  return { ran, job, metrics: newest?.metrics ?? {}, models: [filesOf(first), filesOf(newest)] };
}

async function json<T>(bench: Bench, ...args: readonly string[]): Promise<T> {
  const { code, out, err } = await bench.gantry(...args, '--json');
  if (code !== 0) throw new Error(`gantry ${args.join(' ')} ended with ${code}: ${err}`);
  return JSON.parse(out) as T;
}
