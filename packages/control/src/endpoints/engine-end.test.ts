import { expect, it } from 'vitest';
import { engineEnd } from './engine-end.ts';

const exit = { code: 70, signal: undefined, message: 'exited with 70' };

it('an engine that failed by itself says why, without where its files lie', () => {
  const stderrTail = [
    'loading',
    'model_invalid: The model /srv/data/cache/mv_1/a.gguf cannot be loaded: 3/4 tensors',
    '',
  ];
  expect(engineEnd({ ...exit, exitClass: 'user_error', stderrTail })).toEqual({
    cause: 'itself',
    message: 'exited with 70: model_invalid: The model a.gguf cannot be loaded: 3/4 tensors',
  });
  const working = '2026-11-21T10:00:00.000Z refused a request: 400 invalid_json';
  expect(
    engineEnd({ ...exit, exitClass: 'user_error', stderrTail: ['GGML_ASSERT failed', working] }).message,
  ).toBe('exited with 70: GGML_ASSERT failed');
  expect(engineEnd({ ...exit, exitClass: 'user_error', stderrTail: [] }).message).toBe('exited with 70');
});

it('one that was stopped or killed ended for another reason than it last wrote', () => {
  expect(engineEnd({ ...exit, exitClass: 'preempted', message: 'was stopped', stderrTail: ['x'] })).toEqual({
    cause: 'asked',
    message: 'was stopped',
  });
});
