import { describe, expect, it } from 'vitest';
import { readS3Environment, readS3Secret } from './s3-settings.ts';

const keys = { accessKeyId: 'AK', secretAccessKey: 'SK' };

describe('S3 settings', () => {
  it('are Amazon’s when nothing is said', () => {
    expect(readS3Environment({})).toEqual({
      endpoint: 'https://s3.us-east-1.amazonaws.com',
      region: 'us-east-1',
      isPathStyle: false,
    });
  });

  it('are read from the names people know; ours go before them', () => {
    const env = {
      AWS_ACCESS_KEY_ID: 'AK',
      AWS_SECRET_ACCESS_KEY: 'SK',
      AWS_REGION: 'eu-central-1',
      AWS_ENDPOINT_URL: 'http://other:9000',
      GANTRY_S3_ENDPOINT: 'http://minio:9000/',
    };
    expect(readS3Environment(env)).toEqual({
      endpoint: 'http://minio:9000',
      region: 'eu-central-1',
      isPathStyle: true,
      credentials: keys,
    });
  });

  it('of a tenant are what a credentials file says; the rest is the server’s', () => {
    const server = readS3Environment({ GANTRY_S3_ENDPOINT: 'http://minio:9000', AWS_REGION: 'r1' });
    const file = '[default]\naws_access_key_id = AK\n# note\naws_secret_access_key="SK"\n';
    expect(readS3Secret(file, server)).toEqual({ ...server, credentials: keys });
    const own = 'export AWS_ACCESS_KEY_ID=AK\nAWS_SECRET_ACCESS_KEY=SK\nAWS_SESSION_TOKEN=T\nregion=r2';
    expect(readS3Secret(own, server)).toMatchObject({
      region: 'r2',
      credentials: { ...keys, sessionToken: 'T' },
    });
  });

  it.each([
    [{ AWS_ACCESS_KEY_ID: 'AK' }, /go together/],
    [{ GANTRY_S3_ENDPOINT: 'minio:9000' }, /no address/],
    [{ GANTRY_S3_ENDPOINT: 'https://host/path' }, /no address/],
    [{ GANTRY_S3_ENDPOINT: 'https://me:pw@host' }, /no address/],
  ])('%j are refused', (env, message) => {
    expect(() => readS3Environment(env)).toThrow(message);
  });

  it('never repeat a secret in what they say', () => {
    const server = readS3Environment({});
    expect(() => readS3Secret('hunter2-is-no-file', server)).toThrow(/^the secret holds no S3 credentials$/);
  });
});
