/** `s3://bucket/prefix` as people write it. A prefix is a folder: `data` means what lies below `data/`. */
import { GantryError } from '@gantry/contract';

export interface S3Address {
  readonly bucket: string;
  /** Empty for the whole bucket, else it ends with a slash. */
  readonly prefix: string;
}

const bucketName = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

export function parseS3Address(text: string): S3Address {
  const [, bucket = '', path = ''] = /^s3:\/\/([^/]*)\/?(.*)$/s.exec(text) ?? [];
  const segments = path.replace(/\/$/, '').split('/');
  const isPath = path === '' || !segments.some((part) => part === '' || part === '.' || part === '..');
  if (!bucketName.test(bucket) || !isPath || path.includes('\0'))
    throw new GantryError('validation_failed', `"${text}" names no S3 prefix`, {
      hint: 's3://bucket/folder; a bucket has 3–63 lower-case letters, digits, dots or dashes',
    });
  return { bucket, prefix: path === '' || path.endsWith('/') ? path : `${path}/` };
}

export const formatS3Address = ({ bucket, prefix }: S3Address): string => `s3://${bucket}/${prefix}`;
