/** `gantry simulate --from-server` and `gantry policy set --try`: the server's past as it is set, and as it might be. */
import { basename } from 'node:path';
import { countOf, parseDuration } from '@gantry/kit';
import { QUEUE_POLICIES } from '@gantry/scheduling';
import type { Client } from '@gantry/sdk';
import type { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { connect } from '../connection.ts';
import { type PolicyBody, readPolicyFile } from '../policy-file.ts';
import { unitsOf } from './device-unit.ts';
import type { Experiment } from './replays.ts';
import { loadPast, notesOn, replayPast } from './server-past.ts';
import type { SimulateOptions } from './simulate-options.ts';
import { type WhatIf, changed, describeWhatIf } from './what-if.ts';

/** Every queue keeps the order it has. */
const AS_SET = 'as set';

export async function fromServer(options: SimulateOptions, command: Command): Promise<Experiment> {
  const { client, url } = connect(command);
  const { last, rules, policy, quota, addNodes, withoutNodes, arrivalRate } = options;
  const tried = rules === undefined ? undefined : { ...(await policyNow(client)), ...readPolicyFile(rules) };
  return experimentOn(client, {
    url,
    last,
    ...(tried === undefined ? {} : { tried, triedName: basename(rules!) }),
    isCompared: policy !== undefined,
    whatIf: {
      arrivalRate,
      ...(quota === undefined ? {} : { quota }),
      ...(addNodes === undefined ? {} : { addNodes }),
      ...(withoutNodes === undefined ? {} : { withoutNodes }),
    },
  });
}

/** What can be set again, as it was read. */
export async function policyNow(client: Client): Promise<PolicyBody> {
  const { version: _v, choices: _c, calibration: _k, ...policy } = await client.call('scheduling.get', {});
  return policy;
}

interface Comparison {
  readonly url: string;
  readonly last: string;
  /** Instead of the policy that holds, and how the row is called. */
  readonly tried?: PolicyBody;
  readonly triedName?: string;
  /** Orders were named: each gets a row. */
  readonly isCompared?: boolean;
  readonly whatIf: WhatIf;
}

export async function experimentOn(client: Client, comparison: Comparison): Promise<Experiment> {
  const { url, last, tried, triedName, isCompared = false, whatIf } = comparison;
  if (parseDuration(last) === undefined)
    throw new CliError('bad_request', `--last ${last} is no duration`, { hint: 'write it like 12h or 7d' });
  const past = await loadPast(client, last);
  const other = tried === undefined ? past : await loadPast(client, last, tried);
  const change = describeWhatIf(whatIf);
  const nodes = past.world.nodes.length;
  const run = (order: string) => {
    const asked = order === AS_SET ? whatIf : { ...whatIf, order };
    const label = [triedName, describeWhatIf(asked)].filter(Boolean).join(', ');
    return replayPast(label, changed(other, asked));
  };
  return {
    title: `${url}: ${countOf(past.jobs.length, 'job')} on ${countOf(unitsOf(past.world), 'device')} of ${countOf(nodes, 'node')}`,
    notes: notesOn(past, Date.now()),
    policies: [AS_SET, ...Object.keys(QUEUE_POLICIES)],
    ours: AS_SET,
    before: () => replayPast('as it is', past),
    variants: isCompared || change !== '' || tried !== undefined ? [run] : [],
  };
}
