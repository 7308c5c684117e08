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

it('a Python program’s reason is told, not what it says behind it; addresses stay whole', () => {
  // The end of vLLM 0.32 for a model of three heads over two devices.
  const vllm = [
    'pydantic_core._pydantic_core.ValidationError: 1 validation error for VllmConfig',
    '  Value error, Total number of attention heads (3) must be divisible by tensor parallel size (2).',
    '    For further information visit https://errors.pydantic.dev/2.14/v/value_error',
  ];
  const told = (stderrTail: readonly string[]): string =>
    engineEnd({ ...exit, exitClass: 'user_error', stderrTail: [...stderrTail] }).message;
  expect(told(vllm)).toBe(
    'exited with 70: Value error, Total number of attention heads (3) must be divisible by tensor parallel size (2).',
  );
  expect(told(['RuntimeError: see https://example.com/a/b.html, in /srv/data/x.py'])).toBe(
    'exited with 70: RuntimeError: see https://example.com/a/b.html, in x.py',
  );
  expect(told(['no room', '(APIServer pid=2) INFO 11-22 00:13:46 shutting down', 'INFO:     Finished'])).toBe(
    'exited with 70: no room',
  );
});
