/** Words of the command line → parts of a job. */
import type { JobSpecInput } from '@gantry/contract';
import { parseDuration } from '@gantry/kit';
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

/** `6h` from now, or a time; as the job file writes it. */
export function deadlineOption(text: string): string {
  const inMs = parseDuration(text);
  const atMs = inMs === undefined ? Date.parse(text) : Date.now() + inMs;
  if (Number.isNaN(atMs))
    throw new InvalidArgumentError('It is a duration from now like 6h, or a time like 2026-12-01T08:00:00Z.');
  return new Date(atMs).toISOString();
}

export function labelOption(text: string): readonly [string, string] {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError(`"${text}" is no label; write it like pool=fast.`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** `key`, or `key=value`. */
export function tolerationOption(text: string): { key: string; value?: string } {
  const [key = '', value] = text.split('=', 2);
  return value === undefined ? { key } : { key, value };
}

/** `name`, or `name=VARIABLE`. */
export function secretOption(text: string): string | { name: string; env: string } {
  const [name = '', env] = text.split('=', 2);
  return env === undefined ? name : { name, env };
}

/**
 * `SOURCE:MOUNT[:rw]`: a source with a slash in front is a folder of the machine, `s3://…` a prefix, else it is a
 * volume's name. After a prefix `:secret=NAME` says which secret holds the credentials, `:on-demand=GLOB` which files
 * come when the job asks for them.
 */
export function volumeOption(text: string): Volume {
  const [, scheme = '', words = ''] = /^(s3:\/\/)?(.*)$/s.exec(text) ?? [];
  const [source = '', mount = '', ...rest] = words.split(':');
  const secret = rest.find((word) => word.startsWith('secret='))?.slice('secret='.length);
  const onDemand = rest
    .filter((word) => word.startsWith('on-demand='))
    .map((word) => word.slice('on-demand='.length));
  const modes = rest.filter((word) => !/^(secret|on-demand)=/.test(word));
  const isKnown = modes.length <= 1 && ['ro', 'rw'].includes(modes[0] ?? 'ro');
  if (
    source === '' ||
    mount === '' ||
    !isKnown ||
    (scheme === '' && (secret !== undefined || onDemand.length > 0))
  )
    throw new InvalidArgumentError(
      'It is SOURCE:MOUNT or SOURCE:MOUNT:rw, as in /data/corpus:data or s3://bucket/corpus:data:secret=NAME.',
    );
  const readOnly = modes[0] !== 'rw';
  if (scheme !== '')
    return {
      s3: `${scheme}${source}`,
      mount,
      readOnly,
      ...(secret === undefined ? {} : { secret }),
      ...(onDemand.length === 0 ? {} : { onDemand }),
    };
  return source.startsWith('/') ? { hostPath: source, mount, readOnly } : { name: source, mount, readOnly };
}
