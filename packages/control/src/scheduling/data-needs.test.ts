import { volumeSchema } from '@gantry/contract';
import { describe, expect, it } from 'vitest';
import { dataNeeds, s3DataKey } from './data-needs.ts';

const volume = (text: object) => volumeSchema.parse({ mount: 'in', ...text });

describe('what a job reads', () => {
  it('are its prefixes of S3, by the key under which nodes tell of them', () => {
    const volumes = [volume({ s3: 's3://bucket/corpus/' }), volume({ hostPath: '/data' })];
    expect(dataNeeds(volumes)).toEqual({ data: [{ key: s3DataKey('s3://bucket/corpus'), bytes: 0 }] });
  });

  it('is nothing for a job without any', () => {
    expect(dataNeeds([volume({ hostPath: '/data' })])).toEqual({});
  });
});
