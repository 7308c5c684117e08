import { volumeSchema } from '@gantry/contract';
import { describe, expect, it } from 'vitest';
import { dataNeeds, modelDataKey, s3DataKey, weightNeeds } from './data-needs.ts';

const volume = (text: object) => volumeSchema.parse({ mount: 'in', ...text });

describe('what a job reads', () => {
  it('are its prefixes of S3, by the key under which nodes tell of them', () => {
    const volumes = [volume({ s3: 's3://bucket/corpus/' }), volume({ hostPath: '/data' })];
    expect(dataNeeds(volumes)).toEqual({ data: [{ key: s3DataKey('s3://bucket/corpus'), bytes: 0 }] });
  });

  it('are also those whose files come on demand', () => {
    const volumes = [volume({ s3: 's3://bucket/tokens', onDemand: ['*.bin'] })];
    expect(dataNeeds(volumes)).toEqual({ data: [{ key: s3DataKey('s3://bucket/tokens'), bytes: 0 }] });
  });

  it('is nothing for a job without any', () => {
    expect(dataNeeds([volume({ hostPath: '/data' })])).toEqual({});
  });
});

it('a replica reads its weights, those of the model that guesses ahead and its adapters', () => {
  const revision = { revision: 1, model: 'm', modelVersionId: 'mv_1' };
  const resources = { cpu: 1, memory: 1, gpu: 0 };
  const spec = {
    ...revision,
    resources,
    slots: 1,
    speculation: { method: 'draft', tokens: 4, modelVersionId: 'mv_2' },
    adapters: [{ name: 'a', model: 'b', modelVersionId: 'mv_3' }],
  } as const;
  expect(weightNeeds(spec).data?.map(({ key }) => key)).toEqual(['mv_1', 'mv_2', 'mv_3'].map(modelDataKey));
});
