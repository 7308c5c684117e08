/**
 * Where an S3 server is and who asks: from the environment under the names people know, or from a tenant's secret
 * that holds what an AWS credentials file holds.
 */
import { GantryError } from '@gantry/contract';

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface S3Settings {
  /** An origin: `https://s3.eu-central-1.amazonaws.com`. */
  readonly endpoint: string;
  readonly region: string;
  /** `endpoint/bucket/key` instead of `bucket.endpoint/key`; what most servers but Amazon's want. */
  readonly isPathStyle: boolean;
  /** Absent: asks unsigned, as public buckets allow. */
  readonly credentials?: S3Credentials;
}

type Fields = Readonly<Partial<Record<keyof typeof names, string>>>;

/** What each setting is called in the environment, the first that is set counts. */
const names = {
  endpoint: ['GANTRY_S3_ENDPOINT', 'AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'],
  region: ['GANTRY_S3_REGION', 'AWS_REGION', 'AWS_DEFAULT_REGION'],
  pathStyle: ['GANTRY_S3_PATH_STYLE'],
  accessKeyId: ['GANTRY_S3_ACCESS_KEY_ID', 'AWS_ACCESS_KEY_ID'],
  secretAccessKey: ['GANTRY_S3_SECRET_ACCESS_KEY', 'AWS_SECRET_ACCESS_KEY'],
  sessionToken: ['GANTRY_S3_SESSION_TOKEN', 'AWS_SESSION_TOKEN'],
} as const;

/** What each is called in a credentials or config file, next to the names above. */
const fileNames: Readonly<Record<string, keyof typeof names>> = {
  endpoint_url: 'endpoint',
  region: 'region',
  ...Object.fromEntries(
    Object.entries(names).flatMap(([field, each]) =>
      each.map((name) => [name.toLowerCase(), field as keyof typeof names]),
    ),
  ),
};

export function readS3Environment(env: Readonly<Record<string, string | undefined>>): S3Settings {
  const fields: Partial<Record<keyof typeof names, string>> = {};
  for (const [field, each] of Object.entries(names)) {
    const value = each.map((name) => env[name]).find((found) => found !== undefined && found !== '');
    if (value !== undefined) fields[field as keyof typeof names] = value;
  }
  return settingsOf(fields);
}

/** Lines `name = value`; a `[profile]` line and comments are passed over. What it leaves out is the server's. */
export function readS3Secret(text: string, server: S3Settings): S3Settings {
  const fields: Partial<Record<keyof typeof names, string>> = {};
  for (const line of text.split(/\r?\n/)) {
    const [, name = '', value = ''] = /^\s*(?:export\s+)?([A-Za-z0-9_]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    const field = fileNames[name.toLowerCase()];
    if (field !== undefined) fields[field] = value.replace(/^(["'])(.*)\1$/, '$2');
  }
  if (fields.accessKeyId === undefined)
    throw new GantryError('data_invalid', 'the secret holds no S3 credentials', {
      hint: 'lines as in ~/.aws/credentials: aws_access_key_id = …, aws_secret_access_key = …',
    });
  const { endpoint, region, isPathStyle } = server;
  return settingsOf({ endpoint, region, pathStyle: String(isPathStyle), ...fields });
}

function settingsOf(fields: Fields): S3Settings {
  const { accessKeyId, secretAccessKey, sessionToken, region = 'us-east-1' } = fields;
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined))
    throw new GantryError('validation_failed', 'an S3 access key id and its secret key go together', {
      hint: 'set both, or neither for public buckets',
    });
  const amazon = `https://s3.${region}.amazonaws.com`;
  const endpoint = originOf(fields.endpoint ?? amazon);
  return {
    endpoint,
    region,
    isPathStyle: fields.pathStyle === undefined ? endpoint !== amazon : isYes(fields.pathStyle),
    ...(accessKeyId === undefined || secretAccessKey === undefined
      ? {}
      : {
          credentials: {
            accessKeyId,
            secretAccessKey,
            ...(sessionToken === undefined ? {} : { sessionToken }),
          },
        }),
  };
}

const isYes = (text: string): boolean => /^(1|true|yes|on)$/i.test(text);

function originOf(text: string): string {
  const url = URL.parse(text);
  const isOrigin = url !== null && ['http:', 'https:'].includes(url.protocol) && url.pathname === '/';
  if (!isOrigin || url.search !== '' || url.username !== '')
    throw new GantryError('validation_failed', `"${url?.host ?? text}" is no address of an S3 server`, {
      hint: 'http:// or https://, a host, perhaps a port, and no path',
    });
  return url.origin;
}
