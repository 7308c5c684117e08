/** What an S3 server's refusal means here: whose fault it is decides whether a job is tried again for free. */
import { type ErrorCode, GantryError } from '@gantry/contract';
import { readElement } from './xml.ts';

interface Meaning {
  readonly code: ErrorCode;
  readonly says: string;
  readonly hint?: string;
}

const credentialsHint = 'check access key, secret key and the rights they have on this bucket';
const refused: Meaning = { code: 'forbidden', says: 'it refused the credentials', hint: credentialsHint };
const away: Meaning = { code: 'storage_unavailable', says: 'it did not do its work' };

/** By the `Code` of the error document (Amazon S3 API reference, "List of error codes"). */
const byCode: Readonly<Record<string, Meaning>> = {
  NoSuchBucket: { code: 'data_missing', says: 'there is no such bucket', hint: 'correct the name' },
  NoSuchKey: { code: 'data_missing', says: 'there is no such object' },
  NoSuchUpload: away,
  InvalidAccessKeyId: refused,
  SignatureDoesNotMatch: refused,
  // versitygw's word for an unknown key, with status 404.
  XAdminUserNotFound: refused,
  ExpiredToken: { ...refused, hint: 'the session token has expired; set a new one' },
  InvalidToken: refused,
  RequestTimeTooSkewed: {
    code: 'storage_unavailable',
    says: 'the clocks differ by more than 15 minutes',
    hint: 'set the clock of this machine',
  },
  AuthorizationHeaderMalformed: {
    code: 'validation_failed',
    says: 'it lies in another region',
    hint: 'set the region: AWS_REGION, or "region = …" in the secret',
  },
  InvalidObjectState: {
    code: 'data_invalid',
    says: 'it lies in an archive',
    hint: 'restore it there first, or name another prefix',
  },
  SlowDown: away,
  RequestTimeout: away,
};

const byStatus: Readonly<Record<number, Meaning>> = {
  301: byCode['AuthorizationHeaderMalformed'] ?? away,
  307: away,
  401: refused,
  403: refused,
  404: { code: 'data_missing', says: 'there is no such object or bucket' },
  408: away,
  412: { code: 'version_conflict', says: 'the object has changed' },
  429: away,
};

export interface S3Refusal {
  readonly status: number;
  /** Begin of the body; empty for HEAD. */
  readonly text: string;
}

export function s3Error(what: string, { status, text }: S3Refusal): GantryError {
  const code = readElement(text, 'Code');
  const meaning =
    byCode[code ?? ''] ??
    byStatus[status] ??
    (status >= 500 ? away : { code: 'data_invalid', says: 'it refused the request' });
  const said = [status, code, readElement(text, 'Message')?.slice(0, 200)].filter(Boolean).join(' ');
  const hint = meaning.hint === undefined ? {} : { hint: meaning.hint };
  return new GantryError(meaning.code, `${what}: ${meaning.says} (${said})`, hint);
}

export function s3Unreachable(what: string, cause: unknown): GantryError {
  const why =
    cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : String(cause);
  return new GantryError('storage_unavailable', `${what}: the S3 server could not be reached (${why})`, {
    hint: 'check the endpoint and the network of this machine',
    cause,
  });
}
