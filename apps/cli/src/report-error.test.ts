import { ApiError } from '@gantry/sdk';
import { CommanderError } from 'commander';
import { describe, expect, test } from 'vitest';
import { CliError } from './cli-error.ts';
import { exitCodes } from './exit-codes.ts';
import { reportError } from './report-error.ts';

const api = (code: string, status: number): ApiError =>
  new ApiError({ code, status, message: 'no', hint: 'do this instead' });

describe('a script can tell from the exit code what went wrong', () => {
  test.each([
    ['a job that failed', new CliError('job_failed', 'x', { exitCode: 1 }), exitCodes.job_failed],
    ['a wrong file', new CliError('validation_failed', 'x'), exitCodes.usage],
    ['a wrong option', new CommanderError(1, 'commander.unknownOption', 'x'), exitCodes.usage],
    ['help', new CommanderError(0, 'commander.helpDisplayed', ''), exitCodes.ok],
    ['a refusal', api('invalid_transition', 409), exitCodes.refused],
    ['something unknown', api('not_found', 404), exitCodes.not_found],
    ['a missing key', api('unauthenticated', 401), exitCodes.denied],
    ['a missing right', api('forbidden', 403), exitCodes.denied],
    ['no server', api('unreachable', 0), exitCodes.unreachable],
    ['a bug', new TypeError('x is not a function'), exitCodes.internal],
  ])('%s', (_name, error, exitCode) => {
    expect(reportError(error, false).exitCode).toBe(exitCode);
  });
});

test('people read the sentence, the code and the way on', () => {
  expect(reportError(api('in_use', 409), false).text).toBe('  no   [in_use]\n  do this instead');
});

test('problems come first, each with its place', () => {
  const error = new CliError('validation_failed', 'nothing was submitted', {
    problems: [{ path: 'a.yaml:2:3', message: 'unknown key "x"', hint: 'remove it' }],
  });
  expect(reportError(error, false).text?.split('\n')).toEqual([
    '  a.yaml:2:3  unknown key "x" — remove it',
    '  nothing was submitted   [validation_failed]',
  ]);
});

test('machines read JSON', () => {
  expect(JSON.parse(reportError(api('in_use', 409), true).text ?? '')).toEqual({
    error: { code: 'in_use', message: 'no', hint: 'do this instead', problems: [] },
  });
});

test('the server repeats its first problem in its sentence; we do not', () => {
  const problems = [{ path: 'resources.memory', message: 'is no size' }];
  const message = 'the body does not fit: resources.memory: is no size';
  const error = new ApiError({ code: 'validation_failed', status: 400, message, problems });
  expect(reportError(error, false).text?.split('\n')).toEqual([
    '  resources.memory  is no size',
    '  the body does not fit   [validation_failed]',
  ]);
});

test('of a sentence before the problem no word is lost', () => {
  const problems = [{ path: 'resources', message: 'a member asks for 64 devices' }];
  const message = 'no machine here could ever run this: a member asks for 64 devices';
  const error = new ApiError({ code: 'unsatisfiable_request', status: 422, message, problems });
  expect(reportError(error, false).text).toContain('  no machine here could ever run this   [');
});

test('where the sentence is the problem itself, it is said once, and its hint too', () => {
  const hint = 'Set it to 2.';
  const problems = [{ path: 'parallel', message: 'heads do not divide', hint }];
  const message = 'parallel: heads do not divide';
  const error = new ApiError({ code: 'validation_failed', status: 422, message, hint, problems });
  expect(reportError(error, false).text?.split('\n')).toEqual([
    '  parallel  heads do not divide — Set it to 2.',
    '  this does not fit   [validation_failed]',
  ]);
  expect(JSON.parse(reportError(error, true).text ?? '')).toMatchObject({ error: { message, hint } });
});

test('a wrong command line is told like every other error, with the help that is nearest', () => {
  const error = new CommanderError(
    1,
    'commander.unknownOption',
    "error: unknown option '--foo'\n(Did you mean --for?)",
  );
  expect(reportError(error, false, 'gantry job wait --help').text).toBe(
    "  unknown option '--foo' (Did you mean --for?)   [usage]\n  gantry job wait --help",
  );
  expect(JSON.parse(reportError(error, true, 'gantry job wait --help').text ?? '')).toMatchObject({
    error: { code: 'usage', hint: 'gantry job wait --help' },
  });
});
