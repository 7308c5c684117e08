/** How the platform schedules, as its operators set it; one row, kind `policy`, name `scheduling`. */
import { countOf } from '@gantry/kit';
import { PLACEMENT_NAMES, QUEUE_POLICIES, type Rule, ruleProblems } from '@gantry/scheduling';

export interface PolicySpecRecord {
  /** Order of queues that name none of their own. */
  readonly order?: string;
  readonly placement?: string;
  readonly preemption?: boolean;
  readonly reservation?: boolean;
  /** What a queue used lately counts against it, half of it after each half-life, and every start as if its devices had been in use for the entry penalty already; without it only the present counts. */
  readonly fairShare?: { readonly halfLifeMs: number; readonly entryPenaltyMs?: number };
  /** Moving small work together for what only fits then; without it nothing is moved. */
  readonly defragmentation?: { readonly movesPerHour: number };
  /** Capacity kept for forecast peaks; without it none is. */
  readonly ahead?: { readonly horizonMs: number; readonly most: number };
  readonly topology?: {
    /** Names of the levels, widest first; the host itself comes last and needs no name. */
    readonly levels: readonly string[];
    /** Domains of each node by its name, parallel to `levels`; a shorter path belongs to no deeper level. */
    readonly nodes: Readonly<Record<string, readonly string[]>>;
  };
  /** What operators wrote about single workloads (docs/scheduling.md#rules). */
  readonly rules?: readonly RuleRecord[];
  /** Nodes scheduled apart from the others, by the labels they carry. */
  readonly pools?: Readonly<Record<string, PoolRecord>>;
}

export interface RuleRecord {
  readonly name: string;
  readonly when: string;
  /** Added to the priority. */
  readonly priority?: number;
  readonly pool?: string;
  readonly preemptible?: boolean;
}

export interface PoolRecord {
  readonly nodes: Readonly<Record<string, string>>;
  readonly order?: string;
  readonly placement?: string;
}

export const POLICY_NAME = 'scheduling';
export const POLICY_ID = 'pol_scheduling';
/** A node says where it is with labels `topology/<level>` when the policy does not. */
export const TOPOLOGY_LABEL = 'topology/';

export { PLACEMENT_NAMES };
export const ORDER_NAMES: readonly string[] = Object.keys(QUEUE_POLICIES);

/** Pools as the labels of their nodes. */
export function toRules({ rules = [], pools = {} }: PolicySpecRecord): Rule[] {
  return rules.map(({ pool, ...rule }) =>
    pool === undefined ? rule : { ...rule, nodes: pools[pool]?.nodes ?? { [`pool/${pool}`]: 'gone' } },
  );
}

export interface PolicyProblem {
  readonly path: string;
  readonly message: string;
  readonly hint: string;
}

/** What cannot be planned by; empty when the policy is sound. */
export function policyProblems(policy: PolicySpecRecord): readonly PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  const known = (path: string, value: string | undefined, names: readonly string[]): void => {
    if (value !== undefined && !names.includes(value))
      problems.push({ path, message: `there is no "${value}"`, hint: `one of: ${names.join(', ')}` });
  };
  known('order', policy.order, ORDER_NAMES);
  known('placement', policy.placement, PLACEMENT_NAMES);
  for (const [name, { order, placement, nodes }] of Object.entries(policy.pools ?? {})) {
    known(`pools.${name}.order`, order, ORDER_NAMES);
    known(`pools.${name}.placement`, placement, PLACEMENT_NAMES);
    if (Object.keys(nodes).length === 0)
      problems.push({
        path: `pools.${name}.nodes`,
        message: 'names no label, so every node would belong to it',
        hint: 'name the labels its nodes carry: nodes: {pool: fast}',
      });
  }
  for (const [index, { pool }] of (policy.rules ?? []).entries())
    known(`rules.${index}.pool`, pool, Object.keys(policy.pools ?? {}));
  problems.push(...ruleProblems(toRules(policy)));
  const { levels = [], nodes = {} } = policy.topology ?? {};
  for (const [at, level] of levels.entries()) {
    if (levels.indexOf(level) !== at)
      problems.push({
        path: `topology.levels.${at}`,
        message: `"${level}" is there twice`,
        hint: 'name each level once',
      });
    if (level === 'host')
      problems.push({
        path: `topology.levels.${at}`,
        message: '"host" is always the last level',
        hint: 'leave it out',
      });
  }
  for (const [node, path] of Object.entries(nodes))
    if (path.length > levels.length)
      problems.push({
        path: `topology.nodes.${node}`,
        message: `has ${countOf(path.length, 'domain')} for ${countOf(levels.length, 'level')}`,
        hint: `one for each of: ${levels.join(', ')}`,
      });
  return problems;
}
