import { describe, expect, it } from 'vitest';
import { CliError } from './cli-error.ts';
import { shardedBody } from './sharded-options.ts';

describe('a sharded engine on the command line', () => {
  it('takes the words after `--`, which begin with dashes, for every rank, in place of the file’s', () => {
    const words = ['--max-num-seqs', '64', '--enforce-eager'];
    expect(shardedBody({ tensor: 2 }, words, { kind: 'vllm', ranks: 2, arguments: ['--old'] })).toEqual({
      engine: { kind: 'vllm', ranks: 2, tensor: 2, arguments: words },
    });
    expect(shardedBody({ engine: 'sglang' }, [], undefined)).toEqual({ engine: { kind: 'sglang' } });
    expect(shardedBody({}, [], undefined)).toEqual({});
  });

  it.each([
    [{}, ['--dtype', 'float16'], '"--dtype float16" goes with --engine'],
    [{ tensor: 2 }, [], '--tensor goes with --engine'],
  ])('is refused without its kind: %j %j', (options, words, message) => {
    expect(() => shardedBody(options, words, undefined)).toThrow(CliError);
    expect(() => shardedBody(options, words, undefined)).toThrow(message);
  });
});
