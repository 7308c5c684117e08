/** What is an address on S3, and what is none. */
import { describe, expect, it } from 'vitest';
import { parseS3Address } from './s3-address.ts';

describe('the address', () => {
  it.each([
    ['s3://bucket', ''],
    ['s3://bucket/', ''],
    ['s3://bucket/a', 'a/'],
    ['s3://bucket/a/b/', 'a/b/'],
  ])('%s means the folder "%s"', (text, prefix) => {
    expect(parseS3Address(text)).toEqual({ bucket: 'bucket', prefix });
  });
  it.each([
    'bucket/x',
    's3:/bucket',
    's3://B/x',
    's3://bucket//x',
    's3://bucket/../x',
    's3://',
    'https://s3/x',
  ])('%s is refused with a hint', (text) => {
    expect(() => parseS3Address(text)).toThrow(/names no S3 prefix/);
  });
});
