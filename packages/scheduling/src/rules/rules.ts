/**
 * Rules of an operator: when a condition holds, a workload is moved in the order, sent to a pool or
 * made (not) preemptible. Every rule that holds applies; of two that set the same thing the later wins.
 */
import type { Snapshot, Workload } from '../snapshot.ts';
import { evaluate, type Expression, parseExpression } from './expression.ts';
import { factsOf, moment } from './facts.ts';
import { RuleError } from './rule-error.ts';

export interface Rule {
  readonly name: string;
  readonly when: string;
  /** Added to the priority. */
  readonly priority?: number;
  /** Labels of the nodes it must run on. */
  readonly nodes?: Readonly<Record<string, string>>;
  readonly preemptible?: boolean;
}

export interface RuleProblem {
  /** `rules.2.when:14`: the rule and the column in its text. */
  readonly path: string;
  readonly message: string;
  readonly hint: string;
}

const EFFECTS = ['priority', 'nodes', 'preemptible'] as const;

/** Empty when all can be followed. */
export function ruleProblems(rules: readonly Rule[]): readonly RuleProblem[] {
  const problems: RuleProblem[] = [];
  for (const [index, rule] of rules.entries()) {
    const path = `rules.${index}`;
    try {
      parseExpression(rule.when);
    } catch (error) {
      if (!(error instanceof RuleError)) throw error;
      problems.push({ path: `${path}.when:${error.column}`, message: error.message, hint: error.hint });
    }
    if (EFFECTS.every((effect) => rule[effect] === undefined))
      problems.push({
        path,
        message: `rule "${rule.name}" does nothing`,
        hint: `set one of: ${EFFECTS.join(', ')}`,
      });
    const before = rules.slice(0, index).find((other) => contradicts(other, rule));
    if (before !== undefined)
      problems.push({
        path,
        message: `rule "${rule.name}" contradicts "${before.name}", which has the same condition`,
        hint: 'keep one of them',
      });
    if (rules.slice(0, index).some(({ name }) => name === rule.name))
      problems.push({
        path: `${path}.name`,
        message: `"${rule.name}" is there twice`,
        hint: 'name each rule once',
      });
  }
  return problems;
}

function contradicts(a: Rule, b: Rule): boolean {
  const plain = (text: string): string => text.replaceAll(/\s+/gu, ' ').trim();
  if (plain(a.when) !== plain(b.when)) return false;
  return EFFECTS.some(
    (effect) =>
      a[effect] !== undefined &&
      b[effect] !== undefined &&
      JSON.stringify(a[effect]) !== JSON.stringify(b[effect]),
  );
}

export class RuleBook {
  readonly #rules: readonly { rule: Rule; when: Expression }[];

  /** Throws a RuleError on what `ruleProblems` would name. */
  constructor(rules: readonly Rule[]) {
    this.#rules = rules.map((rule) => ({ rule, when: parseExpression(rule.when) }));
  }

  get isEmpty(): boolean {
    return this.#rules.length === 0;
  }

  /** The workloads of a snapshot as they are to be planned; rules of before leave no trace. */
  apply(snapshot: Snapshot): Workload[] {
    const now = moment(snapshot);
    return snapshot.workloads.map((workload) => {
      const asked = asSubmitted(workload);
      const facts = factsOf(asked, now);
      let changed: Workload | null = null;
      for (const { rule, when } of this.#rules) {
        if (evaluate(when, facts) !== true) continue;
        const before: Workload = changed ?? asked;
        changed = {
          ...before,
          priority: before.priority + (rule.priority ?? 0),
          ...(rule.preemptible === undefined ? {} : { preemptible: rule.preemptible }),
          ...(rule.nodes === undefined
            ? {}
            : {
                nodeSelector: { ...before.nodeSelector, ...rule.nodes },
                bound: { ...before.bound, ...rule.nodes },
              }),
        };
      }
      if (changed === null || isSame(changed, asked)) return isSame(workload, asked) ? workload : asked;
      const { priority, preemptible, nodeSelector, bound } = asked;
      const ruled: Workload = {
        ...changed,
        asked: {
          priority,
          preemptible,
          ...(nodeSelector === undefined ? {} : { nodeSelector }),
          ...(bound === undefined ? {} : { bound }),
        },
      };
      // The same object for the same outcome: nobody has to look at it again.
      return isSame(ruled, workload) ? workload : ruled;
    });
  }
}

/** Without what rules made of it. */
export function asSubmitted(workload: Workload): Workload {
  if (workload.asked === undefined) return workload;
  const { asked, nodeSelector: _nodeSelector, bound: _bound, ...rest } = workload;
  return { ...rest, ...asked };
}

function isSame(a: Workload, b: Workload): boolean {
  return (
    a.priority === b.priority &&
    a.preemptible === b.preemptible &&
    JSON.stringify(a.nodeSelector) === JSON.stringify(b.nodeSelector)
  );
}
