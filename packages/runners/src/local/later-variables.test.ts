import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isVariableName, underLaterNames, withVariables } from './later-variables.ts';

/** What a command behind the stage sees of its environment. */
function seen(variables: Readonly<Record<string, string>>): Record<string, string> {
  const printed = 'process.stdout.write(JSON.stringify(process.env))';
  const [program = '', ...rest] = withVariables(Object.keys(variables), [process.execPath, '-e', printed]);
  return JSON.parse(
    execFileSync(program, rest, { env: underLaterNames(variables), encoding: 'utf8' }),
  ) as Record<string, string>;
}

describe('the variables of a worker', () => {
  it('reach its command as they were given, whatever stands in them', () => {
    const values = fc.sample(fc.string({ unit: 'binary' }), { numRuns: 40, seed: 7 });
    const text = values.map((value) => value.replaceAll('\0', ''));
    const given = Object.fromEntries(text.map((value, index) => [`V_${index}`, value]));
    const awkward = { IFS: 'x', PATH: '/none', ENV: '$(false)', Q: `"'\\$HOME\`id\`\n\n`, EMPTY: '' };
    expect(seen({ ...given, ...awkward })).toMatchObject({ ...given, ...awkward });
  });

  it('may have names that shells keep for themselves', () => {
    const names = { UID: '1000', EUID: 'me', PPID: '3', OPTIND: 'x', BASHOPTS: 'y', LINENO: 'z', A: '1' };
    expect(seen(names)).toMatchObject(names);
  });

  it('leave nothing of the names they travelled under', () => {
    expect(Object.keys(seen({ A: '1', UID: '2' })).filter((name) => name.startsWith('GANTRY'))).toEqual([]);
  });

  it('mean nothing to the programs before', () => {
    expect(Object.keys(underLaterNames({ PATH: '', LD_PRELOAD: '', BASH_ENV: '' }))).toEqual([
      'GANTRY_LATER_PATH',
      'GANTRY_LATER_LD_PRELOAD',
      'GANTRY_LATER_BASH_ENV',
    ]);
  });

  it.each(['', '1A', 'A-B', 'A;id', 'A B', 'Ä', 'A\n'])('are not called %j', (name) => {
    expect(isVariableName(name)).toBe(false);
  });
});
