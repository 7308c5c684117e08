import fc from 'fast-check';
import { expect, test } from 'vitest';
import { planCycle } from '../plan-cycle.ts';
import { node, queue, running, snapshot, workload } from '../scenario.ts';
import { generateHistory } from '../simulate/history/generated-history.ts';
import { replayHistory } from '../simulate/history/replay-history.ts';
import { evaluate, parseExpression } from './expression.ts';
import { factsOf, moment } from './facts.ts';
import { FIELDS } from './fields.ts';
import { asSubmitted, type Rule, RuleBook, ruleProblems } from './rules.ts';

/** Saturday, 23:30 UTC. */
const NOW_MS = Date.UTC(2026, 10, 21, 23, 30);
const HOUR_MS = 3_600_000;
const job = workload('job', {
  queueId: 'q',
  priority: 50,
  devices: 4,
  members: 2,
  preemptible: false,
  createdAtMs: NOW_MS - 13 * HOUR_MS,
  labels: { user: 'ann', name: 'train-7' },
});
const state = snapshot({
  nowMs: NOW_MS,
  nodes: [node('n1', 8), node('n2', 8)],
  queues: [queue('q', { name: 'nightly' })],
  workloads: [job, running('r', [['n1', 0]], { queueId: 'q', devices: 4 })],
});
const holds = (when: string): boolean =>
  evaluate(parseExpression(when), factsOf(job, moment(state))) === true;

test.each([
  ['queue == "nightly" and (hour >= 22 or hour < 6) and not preemptible', true],
  ['queue == "nightly" and hour < 6', false],
  ['user in ["ann", "ben"] and waited > 12h', true],
  ['waited > 14h', false],
  ['devices * 2 > 15 and devices / members == 4', true],
  ['weekday == 6 and load == 25% and waiting == 1', true],
  ['not (priority < 50 or preemptible)', true],
  ['name != "train-7" or device_model == ""', true],
  ['1 + 2 * 3 == 7 and 10 - 2 - 3 == 5', true],
  ['devices / 0 == 0', true],
  ['true', true],
])('%s: %s', (when, expected) => {
  expect(holds(when)).toBe(expected);
});

test.each([
  ['prioritty > 5', 1, 'there is no field "prioritty"', 'priority'],
  ['priority > "high"', 12, '">" needs number here, this is text', 'fields'],
  ['devices', 1, 'it is number, not a condition', 'Compare it'],
  ['queue == 5', 7, 'text is compared with number', 'Compare'],
  ['hour > 5 hour < 7', 10, '"hour" is not expected here', 'and, or'],
  ['(hour > 5', 10, '")" is missing', 'Close'],
  ['hour >', 7, 'it ends too early', 'compares'],
  ['user in [ann]', 10, 'there is no field "ann"', 'Known'],
  ['user in ["a" "b"]', 14, '"," or "]" is missing', 'ann'],
  ["queue == 'x'", 10, '"\'" means nothing here', 'double quotes'],
  ['1 < hour < 5', 10, '"<" is not expected here', 'and, or'],
  [`${'('.repeat(60)}true${')'.repeat(60)}`, 52, 'it is nested too deeply', 'Split'],
  [`${'true and '.repeat(400)}true`, 2001, 'it is longer than 2000 characters', 'Split'],
])('%s is refused at its column', (when, column, message, hint) => {
  const [problem] = ruleProblems([{ name: 'r', when, priority: 1 }]);
  expect(problem).toEqual({ path: `rules.0.when:${column}`, message, hint: expect.stringContaining(hint) });
});

test('rules that contradict each other, do nothing or share a name are refused', () => {
  const rules: Rule[] = [
    { name: 'a', when: 'hour > 5', preemptible: true },
    { name: 'b', when: 'hour  > 5', preemptible: false },
    { name: 'c', when: 'hour > 6' },
    { name: 'a', when: 'hour > 7', priority: 1 },
  ];
  expect(ruleProblems(rules).map(({ path, message }) => [path, message])).toEqual([
    ['rules.1', 'rule "b" contradicts "a", which has the same condition'],
    ['rules.2', 'rule "c" does nothing'],
    ['rules.3.name', '"a" is there twice'],
  ]);
});

test('a text of any kind is either a rule or refused, and what is a rule never fails', () => {
  const words = fc.constantFrom(
    ...Object.keys(FIELDS),
    'and',
    'or',
    'not',
    '(',
    ')',
    '<',
    '==',
    '5',
    '"x"',
    'in',
    '[',
    ']',
    '*',
    '%',
    '#',
  );
  fc.assert(
    fc.property(fc.array(words, { maxLength: 12 }), (parts) => {
      const when = parts.join(' ');
      if (ruleProblems([{ name: 'r', when, priority: 1 }]).length > 0) return;
      expect(typeof holds(when)).toBe('boolean');
    }),
    { seed: 3, numRuns: 2000 },
  );
});

test('rules move, send and protect workloads, and leave no trace when they go', () => {
  const book = new RuleBook([
    { name: 'night', when: 'queue == "nightly" and hour >= 22', priority: 100, nodes: { pool: 'night' } },
    { name: 'long', when: 'waited > 12h', priority: 10 },
    { name: 'evict', when: 'user == "ann"', preemptible: true },
  ]);
  const [ruled, other] = book.apply(state);
  expect(ruled).toMatchObject({ priority: 160, preemptible: true, nodeSelector: { pool: 'night' } });
  expect(other).toMatchObject({ priority: 100 });
  const again = { ...state, workloads: [ruled!, other!] };
  expect(book.apply(again)[0]).toBe(ruled);
  expect(new RuleBook([]).apply(again)).toEqual(state.workloads);
  expect(asSubmitted(ruled!)).toEqual(job);
});

test('a rule that was tried decides who starts', () => {
  const two = snapshot({
    nowMs: NOW_MS,
    nodes: [node('n1', 1)],
    workloads: [
      workload('early', { createdAtMs: 1, labels: { user: 'ben', name: 'x' } }),
      workload('late', { createdAtMs: 2, labels: { user: 'ann', name: 'y' } }),
    ],
  });
  const startedBy = (rules: Rule[]): string =>
    planCycle({ ...two, workloads: new RuleBook(rules).apply(two) }).placements[0]!.workloadId;
  expect(startedBy([])).toBe('early');
  expect(startedBy([{ name: 'ann', when: 'user == "ann"', priority: 1 }])).toBe('late');
});

test('what a rule would do is seen in a replay before it holds', () => {
  const jobs = generateHistory({ seed: 4, jobs: 400, load: 1, clusterDevices: 32 });
  const cluster = { nodes: 4, devicesPerNode: 8, order: 'priority' };
  const favoured: Rule = { name: 'ahead', when: 'user == "user-2" and devices <= 8', priority: 10 };
  const before = replayHistory(jobs, cluster).waitSecondsOf['user-2']!;
  const after = replayHistory(jobs, { ...cluster, rules: [favoured] }).waitSecondsOf['user-2']!;
  expect(after).toBeLessThan(0.6 * before);
});
