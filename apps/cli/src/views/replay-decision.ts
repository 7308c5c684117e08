/** A recorded cycle planned again by the same code that the server runs. */
import {
  type Plan,
  type PlanSettings,
  planCycle,
  type Rule,
  RuleBook,
  ruleProblems,
  type Snapshot,
  toPlanOptions,
} from '@gantry/scheduling';
import { CliError } from '../cli-error.ts';

export interface ReplayedDecision {
  readonly number: number;
  readonly isSame: boolean;
  /** Workloads that are placed, evicted or left waiting otherwise than recorded. */
  readonly differences: readonly string[];
  readonly sentence: string;
}

interface DecisionRecord {
  readonly number: number;
  readonly options: Readonly<Record<string, unknown>>;
  readonly snapshot: Readonly<Record<string, unknown>>;
  readonly plan: Readonly<Record<string, unknown>> | null;
}

/** `tried` is what should be otherwise than it was; rules replace those that held then. */
export function replayDecision(
  record: DecisionRecord,
  tried: PlanSettings & { readonly rules?: readonly Rule[] } = {},
): ReplayedDecision {
  const { rules, ...settings } = tried;
  const snapshot = record.snapshot as unknown as Snapshot;
  const [problem] = ruleProblems(rules ?? []);
  if (problem !== undefined)
    throw new CliError('validation_failed', `${problem.path}: ${problem.message}`, { hint: problem.hint });
  const workloads = rules === undefined ? snapshot.workloads : new RuleBook(rules).apply(snapshot);
  const plan = planCycle(
    { ...snapshot, workloads },
    toPlanOptions({ ...(record.options as PlanSettings), ...settings }),
  );
  const before = outcomes((record.plan ?? { placements: [], evictions: [], waiting: [] }) as unknown as Plan);
  const after = outcomes(plan);
  const differences = [...new Set([...before.keys(), ...after.keys()])]
    .filter((id) => before.get(id) !== after.get(id))
    .sort()
    .map((id) => `${id}: ${before.get(id) ?? 'not mentioned'} → ${after.get(id) ?? 'not mentioned'}`);
  const isSame = differences.length === 0;
  const found = isSame
    ? `planned again, cycle ${record.number} decides the same: ${plan.placements.length} placed, ${plan.evictions.length} evicted, ${plan.waiting.length} waiting`
    : `planned again, cycle ${record.number} decides otherwise for ${differences.length}:\n    ${differences.slice(0, 20).join('\n    ')}`;
  return { number: record.number, isSame, differences, sentence: `  ${found}` };
}

/** What happens to each workload, in a form that can be compared. */
function outcomes(plan: Plan): ReadonlyMap<string, string> {
  const result = new Map<string, string>();
  for (const { workloadId, members } of plan.placements)
    result.set(
      workloadId,
      `placed on ${members.map(({ nodeId, deviceIds }) => [nodeId, ...deviceIds].join(' ')).join(', ')}`,
    );
  for (const { workloadId, reason } of plan.evictions) result.set(workloadId, `evicted (${reason.code})`);
  for (const { workloadId, reasons } of plan.waiting)
    result.set(workloadId, `waits (${reasons.map(({ code }) => code).join(', ')})`);
  return result;
}
