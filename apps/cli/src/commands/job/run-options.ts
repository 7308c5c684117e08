/** Words of the command line → parts of a job. */
import type { JobSpecInput } from '@gantry/contract';
import { InvalidArgumentError } from 'commander';

type Volume = NonNullable<JobSpecInput['volumes']>[number];

/** For options that may be given again and again. */
export const gather = <T>(read: (text: string) => T) => {
  return (text: string, before: readonly T[] = []): readonly T[] => [...before, read(text)];
};

/** `KEY=VALUE`; `KEY` alone takes the value from here. */
export function envOption(text: string): readonly [string, string] {
  const at = text.indexOf('=');
  const name = at === -1 ? text : text.slice(0, at);
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
    throw new InvalidArgumentError(`"${name}" is no name of a variable.`);
  const value = at === -1 ? process.env[name] : text.slice(at + 1);
  if (value === undefined) throw new InvalidArgumentError(`${name} is not set here; give ${name}=VALUE.`);
  return [name, value];
}

/** `name`, or `name=VARIABLE`. */
export function secretOption(text: string): string | { name: string; env: string } {
  const [name = '', env] = text.split('=', 2);
  return env === undefined ? name : { name, env };
}

/** `SOURCE:MOUNT[:rw]`: a source with a slash in front is a folder of the machine, else a volume's name. */
export function volumeOption(text: string): Volume {
  const [source = '', mount = '', mode = 'ro', ...rest] = text.split(':');
  if (source === '' || mount === '' || rest.length > 0 || (mode !== 'ro' && mode !== 'rw'))
    throw new InvalidArgumentError('It is SOURCE:MOUNT or SOURCE:MOUNT:rw, as in /data/corpus:data.');
  const readOnly = mode === 'ro';
  return source.startsWith('/') ? { hostPath: source, mount, readOnly } : { name: source, mount, readOnly };
}
