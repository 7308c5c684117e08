import { expect, test } from 'vitest';
import { changedTaints, readLabels, taintText } from './node-marks.ts';

test('labels are set with = and taken off with a dash', () => {
  expect(readLabels(['pool=fast', 'example.org/row=', 'old-'])).toEqual({
    pool: 'fast',
    'example.org/row': '',
    old: null,
  });
  expect(() => readLabels(['pool'])).toThrow('neither key=value nor key-');
});

test('taints are added, replaced by key and effect, and taken off by key', () => {
  const once = changedTaints([], ['team=nlp:NoSchedule', 'sick:NoExecute']);
  expect(once.map(taintText)).toEqual(['team=nlp:NoSchedule', 'sick:NoExecute']);
  expect(changedTaints(once, ['team=vision:NoSchedule']).map(taintText)).toEqual([
    'sick:NoExecute',
    'team=vision:NoSchedule',
  ]);
  expect(changedTaints(once, ['sick-'])).toEqual([once[0]]);
  expect(changedTaints(once, ['team:NoExecute-'])).toEqual(once);
  for (const word of ['team', 'team=nlp', 'team=nlp:Never', ':NoSchedule'])
    expect(() => changedTaints([], [word])).toThrow('neither key=value:EFFECT');
});
