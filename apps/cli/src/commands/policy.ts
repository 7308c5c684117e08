/** How work is ordered and placed: looked at, changed while the server runs, and past decisions planned again. */
import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { countOf } from '@gantry/kit';
import type { Rule } from '@gantry/scheduling';
import { CliError } from '../cli-error.ts';
import { example, group } from '../command-group.ts';
import { connect } from '../connection.ts';
import { exitCodes } from '../exit-codes.ts';
import { ago, showOne } from '../output.ts';
import { type PolicyBody, readPolicyFile } from '../policy-file.ts';
import { view, viewList, watchable } from '../view.ts';
import { describePolicy } from '../views/policy.ts';

interface SetOptions {
  readonly order?: string;
  readonly placement?: string;
  readonly preemption?: string;
  readonly reservation?: string;
  readonly file?: string;
  readonly try?: boolean;
  readonly last: string;
  readonly html?: string;
}
interface TriedPolicy {
  readonly placement?: string;
  readonly preemption?: boolean;
  readonly reservation?: boolean;
  readonly rules?: readonly Rule[];
}
interface QueueOptions {
  readonly order?: string;
  readonly pool?: string;
  readonly minRuntime?: string;
  readonly borrow?: string;
  readonly lend?: string;
  readonly shape?: string;
}

/** `none` takes a choice back. */
const orNull = (value: string): string | null => (value === 'none' ? null : value);
const countOrNull = (name: string, value: string): number | null => {
  if (value === 'none') return null;
  const count = Number(value);
  if (value.trim() !== '' && count >= 0) return count;
  throw new CliError('validation_failed', `--${name} is "${value}"`, {
    hint: `--${name} 4 or --${name} none`,
    exitCode: exitCodes.usage,
  });
};
/** `2x8`: eight devices on each of two nodes. */
const shapeOrNull = (value: string): { nodes: number; devices: number } | null => {
  if (value === 'none') return null;
  const found = /^(\d+)x(\d+)$/.exec(value);
  if (found !== null) return { nodes: Number(found[1]), devices: Number(found[2]) };
  throw new CliError('validation_failed', `--shape is "${value}"`, {
    hint: '--shape 1x8 for eight devices on one node, or --shape none',
    exitCode: exitCodes.usage,
  });
};
const onOff = (name: string, value: string): boolean => {
  if (value === 'on' || value === 'off') return value === 'on';
  throw new CliError('validation_failed', `--${name} is "${value}"`, {
    hint: `--${name} on or --${name} off`,
    exitCode: exitCodes.usage,
  });
};

function policyBody(
  before: PolicyBody,
  { file, order, placement, preemption, reservation }: Omit<SetOptions, 'last'>,
): PolicyBody {
  return {
    ...(file === undefined ? before : readPolicyFile(file)),
    ...(order === undefined ? {} : { order }),
    ...(placement === undefined ? {} : { placement }),
    ...(preemption === undefined ? {} : { preemption: onOff('preemption', preemption) }),
    ...(reservation === undefined ? {} : { reservation: onOff('reservation', reservation) }),
  };
}

export function policyCommands(program: Command): void {
  const policy = example(group(program, 'policy', 'How work is ordered and placed'), 'gantry policy show');

  example(
    watchable(policy.command('show').description('The policy that holds now')),
    'gantry policy show',
  ).action(async (_options: unknown, command: Command) => {
    const { client } = connect(command);
    await view(command, { load: () => client.call('scheduling.get', {}), text: describePolicy });
  });

  example(
    policy
      .command('set')
      .description('Change the policy; it holds from the next cycle on')
      .option('--order <NAME>', 'order of queues that name none of their own')
      .option('--placement <NAME>', 'where work goes among the places it fits')
      .option('--preemption <ON>', 'on or off')
      .option('--reservation <ON>', 'hold room for the first that must wait: on or off')
      .option('--file <YAML>', 'the whole policy, topology levels and pools included')
      .option('--try', 'change nothing: replay the last days as it is and as it would have been')
      .option('--last <DURATION>', 'with --try: jobs submitted in this time', '7d')
      .option('--html <FILE>', 'with --try: also a page with charts'),
    'gantry policy set --order las',
    'gantry policy set --file policy.yaml --try --last 3d',
    'gantry policy set --file policy.yaml',
  ).action(async (options: SetOptions, command: Command) => {
    const { client, url } = connect(command);
    const {
      version,
      choices: _choices,
      calibration: _k,
      ...before
    } = await client.call('scheduling.get', {});
    const body = policyBody(before, options);
    if (options.try === true) {
      // Loaded only here: no other command should wait for the simulator.
      const { tryPolicy } = await import('../simulate/try-policy.ts');
      await tryPolicy({ client, url, tried: body, command, ...options });
      return;
    }
    const found = await client.call('scheduling.set', { body }, { ifMatch: version });
    showOne(command, found, () => describePolicy(found));
  });

  example(
    policy
      .command('queue <name>')
      .description('How one queue is ordered and where its work runs; with options, changes it')
      .option('--order <NAME>', 'its own order, or none to inherit')
      .option('--pool <NAME>', 'the pool its work runs in, or none to inherit')
      .option('--borrow <N>', 'devices beyond what it deserves, at most, or none for no bound')
      .option('--lend <N>', 'devices of what it deserves that others may have, at most, or none for no bound')
      .option(
        '--shape <NxD>',
        'what it deserves is had together: D devices on each of N nodes, like 1x8, or none',
      )
      .option('--min-runtime <TIME>', 'work running for less is not evicted, like 10m, or none'),
    'gantry policy queue research --borrow 8 --lend 2',
    'gantry policy queue research --order las --min-runtime 10m',
  ).action(
    async (
      name: string,
      { order, pool, minRuntime, borrow, lend, shape }: QueueOptions,
      command: Command,
    ) => {
      const { client } = connect(command);
      const body = {
        ...(order === undefined ? {} : { order: orNull(order) }),
        ...(pool === undefined ? {} : { pool: orNull(pool) }),
        ...(minRuntime === undefined ? {} : { minRuntime: orNull(minRuntime) }),
        ...(borrow === undefined ? {} : { borrow: countOrNull('borrow', borrow) }),
        ...(lend === undefined ? {} : { lend: countOrNull('lend', lend) }),
        ...(shape === undefined ? {} : { shape: shapeOrNull(shape) }),
      };
      const params = { name };
      const found =
        Object.keys(body).length === 0
          ? await client.call('scheduling.queue', { params })
          : await client.call('scheduling.setQueue', { params, body });
      showOne(command, found, () => {
        const { effective } = found;
        const kept =
          found.minRuntimeMs === undefined ? '' : `, not evicted before ${found.minRuntimeMs / 1000} s`;
        const where = effective.pool === undefined ? 'anywhere' : `in pool ${effective.pool}`;
        const together =
          found.shape === undefined
            ? ''
            : `, promised ${found.shape.nodes} × ${countOf(found.shape.devices, 'device')} together`;
        return `  ${found.queue}: ${effective.order}${found.order === undefined ? ' (inherited)' : ''}, ${where}${kept}${together}`;
      });
    },
  );

  example(
    watchable(policy.command('decisions').description('The last scheduling cycles')),
    'gantry policy decisions',
  ).action(async (_options: unknown, command: Command) => {
    const { client } = connect(command);
    await viewList(command, {
      load: async () => (await client.call('decisions.list', { query: { limit: 30 } })).items,
      heads: ['cycle', 'when', 'took', 'placed', 'evicted', 'waiting', 'error'],
      row: ({ number, at, tookMs, placements, evictions, waiting, error }) => [
        String(number),
        ago(at),
        `${tookMs.toFixed(1)} ms`,
        String(placements),
        String(evictions),
        String(waiting),
        error ?? '',
      ],
      empty: 'nothing was decided yet',
    });
  });

  example(
    policy
      .command('replay <cycle>')
      .description('Plan a past cycle again here, from the record the server keeps')
      .option('--save <FILE>', 'keep the record as JSON')
      .option('--placement <NAME>', 'try another placement on it')
      .option('--file <YAML>', 'try the placement, switches and rules of this policy on it'),
    'gantry policy replay 12',
    'gantry policy replay 12 --placement best-fit',
  ).action(
    async (
      cycle: string,
      options: { save?: string; placement?: string; file?: string },
      command: Command,
    ) => {
      const record = await connect(command).client.call('decisions.get', { params: { name: cycle } });
      if (options.save !== undefined) writeFileSync(options.save, JSON.stringify(record));
      const { replayDecision } = await import('../views/replay-decision.ts');
      const tried = options.file === undefined ? {} : (readPolicyFile(options.file) as TriedPolicy);
      const outcome = replayDecision(record, {
        ...tried,
        ...(options.placement === undefined ? {} : { placement: options.placement }),
      });
      showOne(command, outcome, () => outcome.sentence);
    },
  );
}
