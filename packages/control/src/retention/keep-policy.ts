/** How long things are kept that nobody asked to remove; in milliseconds, undefined: for ever. */
import { GantryError } from '@gantry/contract';
import { nearest, parseDuration } from '@gantry/kit';

const day = 86_400_000;

export const defaultKeepPolicy = {
  /** Scratch files of ended workers; what they printed is `logs`. */
  workers: day,
  /** What the ranks of an ended job printed. */
  logs: 14 * day,
  /** Checkpoints, prepared data and unpacked uploads of a job, from its end. */
  checkpoints: 14 * day,
  /** The rest of a job's run folder, from its end. */
  runs: 90 * day,
  /** Uploads that no unfinished job names. */
  uploads: 7 * day,
  /** Bytes that nothing names any more. */
  blobs: 7 * day,
};

export type KeepKind = keyof typeof defaultKeepPolicy;
export type KeepPolicy = Readonly<Record<KeepKind, number | undefined>>;

/** `logs=30d,runs=forever` over the defaults. */
export function parseKeepPolicy(text: string | undefined): KeepPolicy {
  const policy: Record<KeepKind, number | undefined> = { ...defaultKeepPolicy };
  for (const part of (text ?? '').split(',').map((each) => each.trim())) {
    if (part === '') continue;
    const [kind = '', value = ''] = part.split('=', 2);
    if (!isKind(kind)) {
      const kinds = Object.keys(defaultKeepPolicy);
      throw new GantryError('bad_request', `--keep knows no "${kind}"`, {
        hint: `did you mean "${nearest(kind, kinds) ?? 'logs'}"? It takes ${kinds.join(', ')}`,
      });
    }
    const ageMs = value === 'forever' ? undefined : parseDuration(value);
    if (value !== 'forever' && ageMs === undefined)
      throw new GantryError('bad_request', `--keep ${kind}: "${value}" is no duration`, {
        hint: `as in --keep ${kind}=30d, or ${kind}=forever`,
      });
    policy[kind] = ageMs;
  }
  return policy;
}

const isKind = (text: string): text is KeepKind => Object.hasOwn(defaultKeepPolicy, text);
