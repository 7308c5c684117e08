import { describe, expect, it } from 'vitest';
import {
  deadlineOption,
  envOption,
  gather,
  labelOption,
  secretOption,
  tolerationOption,
  volumeOption,
} from './run-options.ts';

describe('options of job run', () => {
  it('gather what is given again', () => {
    const more = gather(secretOption);
    expect(more('b=TOKEN', more('a'))).toEqual(['a', { name: 'b', env: 'TOKEN' }]);
  });

  it('read variables with their value, or take it from here', () => {
    expect(envOption('A=b=c')).toEqual(['A', 'b=c']);
    expect(envOption('A=')).toEqual(['A', '']);
    expect(envOption('PATH')).toEqual(['PATH', process.env['PATH']]);
    expect(() => envOption('GANTRY_NO_SUCH')).toThrow('is not set here');
    expect(() => envOption('1A=x')).toThrow('no name of a variable');
  });

  it('read where and when it should run', () => {
    expect(labelOption('pool=fast')).toEqual(['pool', 'fast']);
    expect(() => labelOption('pool')).toThrow('is no label');
    expect(tolerationOption('team')).toEqual({ key: 'team' });
    expect(tolerationOption('team=nlp')).toEqual({ key: 'team', value: 'nlp' });
    expect(deadlineOption('2026-12-01T08:00:00Z')).toBe('2026-12-01T08:00:00.000Z');
    expect(Date.parse(deadlineOption('6h'))).toBeGreaterThan(Date.now());
    expect(() => deadlineOption('soon')).toThrow('a duration from now like 6h');
  });

  it('read volumes, read-only unless said', () => {
    expect(volumeOption('/data/corpus:data')).toEqual({
      hostPath: '/data/corpus',
      mount: 'data',
      readOnly: true,
    });
    expect(volumeOption('cache:/cache:rw')).toEqual({ name: 'cache', mount: '/cache', readOnly: false });
    expect(volumeOption('s3://bucket/a:data')).toEqual({
      s3: 's3://bucket/a',
      mount: 'data',
      readOnly: true,
    });
    expect(volumeOption('s3://bucket/a:/data:rw:secret=aws')).toEqual({
      s3: 's3://bucket/a',
      mount: '/data',
      readOnly: false,
      secret: 'aws',
    });
    expect(volumeOption('s3://bucket/a:data:secret=aws:on-demand=*.bin')).toMatchObject({
      secret: 'aws',
      onDemand: ['*.bin'],
    });
    for (const bad of [
      'data',
      ':data',
      '/a:b:on-demand=*',
      '/a:b:wr',
      '/a:b:rw:c',
      's3://b/a',
      '/a:b:secret=x',
    ])
      expect(() => volumeOption(bad), bad).toThrow('SOURCE:MOUNT');
  });
});
