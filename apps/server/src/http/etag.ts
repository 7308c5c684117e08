/**
 * ETags name a version and what was shown of it: `"7.kQ3…"`. `If-None-Match` compares all of it, since live
 * progress changes without a version; `If-Match` only the version, since progress is no change anybody made.
 */
import { createHash } from 'node:crypto';
import { GantryError } from '@gantry/contract';

export function toEtag(value: unknown, json: string): string {
  const hash = createHash('sha256').update(json).digest('base64url').slice(0, 16);
  const version = (value as { version?: unknown } | null | undefined)?.version;
  return typeof version === 'number' ? `"${version}.${hash}"` : `"${hash}"`;
}

/** The client has it already: 304. */
export function isNotModified(ifNoneMatch: string | undefined, etag: string): boolean {
  const known = (ifNoneMatch ?? '').split(',').map((each) => each.trim().replace(/^W\//, ''));
  return known.includes('*') || known.includes(etag);
}

/** The version in an `If-Match`; undefined when there is none or any will do. A broken one is refused, not ignored. */
export function readIfMatch(header: string | undefined, isTaken: boolean): number | undefined {
  if (header === undefined || header.trim() === '*') return undefined;
  if (!isTaken)
    throw new GantryError('bad_request', 'this operation takes no If-Match', {
      hint: 'leave the header out; /openapi.json lists the operations that take it',
    });
  const match = /^(?:W\/)?"(\d{1,9})(?:\.[\w-]*)?"$/.exec(header.trim());
  if (match === null)
    throw new GantryError('bad_request', `If-Match ${header.slice(0, 80)} is no ETag of ours`, {
      hint: 'send the ETag of the answer you read, quotes included',
    });
  return Number(match[1]);
}
