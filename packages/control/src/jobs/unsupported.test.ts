import { jobSpecSchema } from '@gantry/contract';
import { describe, expect, it } from 'vitest';
import { unsupportedFields } from './unsupported.ts';

describe('fields that no runner acts on', () => {
  it('are refused by name', () => {
    const spec = jobSpecSchema.parse({
      command: 'true',
      image: 'python:3',
      secrets: ['token'],
      outputs: ['out/**'],
      volumes: [{ hostPath: '/data', mount: '/data' }],
    });
    expect(unsupportedFields(spec).map(({ path }) => path)).toEqual(['image']);
  });
  it('do not trouble a plain job', () => {
    expect(unsupportedFields(jobSpecSchema.parse({ command: 'true' }))).toEqual([]);
  });
});
