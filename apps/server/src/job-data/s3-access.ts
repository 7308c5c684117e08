/**
 * With whose keys a prefix of S3 is asked for: those in the secret that was named, else the server's where the
 * operator opened the prefix, else none, as public buckets allow.
 */
import {
  type S3Settings,
  formatS3Address,
  openS3Bucket,
  parseS3Address,
  readS3Secret,
} from '@gantry/blobs/s3';
import { type ErrorProblem, GantryError } from '@gantry/contract';

export interface S3Options {
  /** Where the server is and what this server itself may do there. */
  readonly settings: S3Settings;
  /** Prefixes that every tenant may use with the server's credentials. */
  readonly openPrefixes: readonly string[];
  readonly cacheBytes: number;
  /** The prefix where blobs lie; absent: on disk. */
  readonly blobs: string | undefined;
  /** Where checkpoints go of jobs that say nothing themselves; absent: nowhere. */
  readonly checkpoints: string | undefined;
}

export interface S3Access {
  settingsOf(asked: { readonly url: string; readonly secret?: string }): S3Settings;
  /** Opens the bucket for one act; a refusal says that it was asked unsigned. */
  using<T>(
    settings: S3Settings,
    url: string,
    act: (bucket: ReturnType<typeof openS3Bucket>, address: ReturnType<typeof parseS3Address>) => Promise<T>,
  ): Promise<T>;
}

export function createS3Access(options: S3Options): S3Access {
  const open = options.openPrefixes.map((url) => formatS3Address(parseS3Address(url)));
  return {
    settingsOf: ({ url, secret }) => {
      if (secret !== undefined) return readS3Secret(secret, options.settings);
      const asked = formatS3Address(parseS3Address(url));
      if (open.some((prefix) => asked.startsWith(prefix))) return options.settings;
      const { credentials: _credentials, ...unsigned } = options.settings;
      return unsigned;
    },
    using: async (settings, url, act) => {
      const address = parseS3Address(url);
      await using bucket = openS3Bucket(settings, address.bucket);
      try {
        return await act(bucket, address);
      } catch (error) {
        const isUnsigned = settings.credentials === undefined;
        if (!(error instanceof GantryError && error.code === 'forbidden' && isUnsigned)) throw error;
        throw new GantryError('forbidden', error.message, {
          hint: 'it was asked unsigned; name a secret with credentials beside the address',
          cause: error,
        });
      }
    },
  };
}

/** What can be told of an address without asking the server. */
export function s3Problem(url: string): Omit<ErrorProblem, 'path'> | undefined {
  try {
    parseS3Address(url);
    return undefined;
  } catch (error) {
    const { message, hint } = error as GantryError;
    return { message, ...(hint === undefined ? {} : { hint }) };
  }
}
