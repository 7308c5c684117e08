/**
 * Prefixes of S3 as folders of this node (control's `S3Volumes`). A volume is asked for with its own secret, else
 * with the server's credentials where the operator opened the prefix, else unsigned, as public buckets allow.
 */
import { rm } from 'node:fs/promises';
import {
  type ObjectCache,
  type S3Settings,
  fetchVolume,
  formatS3Address,
  isFetched,
  openS3Bucket,
  parseS3Address,
  readS3Secret,
  storeVolume,
} from '@gantry/blobs/s3';
import { GantryError } from '@gantry/contract';
import type { S3Use, S3Volumes } from '@gantry/control';

export interface S3Options {
  /** Where the server is and what this server itself may do there. */
  readonly settings: S3Settings;
  /** Prefixes that every tenant may use with the server's credentials. */
  readonly openPrefixes: readonly string[];
  readonly cacheBytes: number;
  /** The prefix where blobs lie; absent: on disk. */
  readonly blobs: string | undefined;
}

export function createS3Volumes(options: S3Options, cache: ObjectCache): S3Volumes {
  const open = options.openPrefixes.map((url) => formatS3Address(parseS3Address(url)));

  const settingsOf = ({ url, secret }: S3Use): S3Settings => {
    if (secret !== undefined) return readS3Secret(secret, options.settings);
    if (open.some((prefix) => formatS3Address(parseS3Address(url)).startsWith(prefix)))
      return options.settings;
    const { credentials: _credentials, ...unsigned } = options.settings;
    return unsigned;
  };

  const withPlace = async <T>(
    use: S3Use,
    act: (place: Parameters<typeof fetchVolume>[0], settings: S3Settings) => Promise<T>,
  ): Promise<T> => {
    const address = parseS3Address(use.url);
    const settings = settingsOf(use);
    await using bucket = openS3Bucket(settings, address.bucket);
    try {
      return await act({ bucket, address, dir: use.dir, isWritable: use.isWritable }, settings);
    } catch (error) {
      const isUnsigned = settings.credentials === undefined;
      if (!(error instanceof GantryError && error.code === 'forbidden' && isUnsigned)) throw error;
      throw new GantryError('forbidden', error.message, {
        hint: 'it was asked unsigned; name a secret with credentials: {s3: …, secret: NAME}',
        cause: error,
      });
    }
  };

  return {
    problemWith: (url) => {
      try {
        parseS3Address(url);
        return undefined;
      } catch (error) {
        const { message, hint } = error as GantryError;
        return { message, ...(hint === undefined ? {} : { hint }) };
      }
    },
    fetch: async (use, { signal, onProgress }) => {
      // A server that starts anew finds what the last one fetched; a rank may work in it already.
      if (await isFetched(use.dir)) return undefined;
      return withPlace(use, (place, { endpoint, credentials }) =>
        fetchVolume(place, {
          cache,
          scope: `${endpoint} ${credentials?.accessKeyId ?? 'anybody'}`,
          signal,
          onProgress,
        }),
      );
    },
    store: (use, signal) => withPlace(use, (place) => storeVolume(place, signal)),
    remove: (dir) => rm(dir, { recursive: true, force: true }),
  };
}
