import { shardedEngineSchema } from '@gantry/contract';
import { describe, expect, it } from 'vitest';
import { shardedCommand } from './sharded-command.ts';

const at = {
  meeting: { address: '10.0.0.5', port: 29_400 },
  port: 8_001,
  modelPath: '/models/llama',
  modelName: 'llama@3',
  slots: 64,
};
const line = (engine: object, rank: number): string =>
  shardedCommand(shardedEngineSchema.parse(engine), { ...at, rank }).join(' ');

describe('the command line of a rank', () => {
  it('of vLLM: the first serves, the others are headless, all name the same meeting point', () => {
    const engine = { kind: 'vllm', tensor: 4, pipeline: 2, ranks: 2, arguments: ['--max-model-len', '4096'] };
    const both =
      '--tensor-parallel-size 4 --pipeline-parallel-size 2 --distributed-executor-backend mp --nnodes 2';
    expect(line(engine, 0)).toBe(
      `vllm serve /models/llama --served-model-name llama@3 ${both} --node-rank 0 --master-addr 10.0.0.5 --master-port 29400 --max-num-seqs 64 --host 127.0.0.1 --port 8001 --enable-prompt-tokens-details --max-model-len 4096`,
    );
    expect(line(engine, 1)).toBe(
      `vllm serve /models/llama --served-model-name llama@3 ${both} --node-rank 1 --master-addr 10.0.0.5 --master-port 29400 --max-num-seqs 64 --headless --max-model-len 4096`,
    );
  });

  it('of SGLang, and of an interpreter and name of one’s own', () => {
    expect(line({ kind: 'sglang', tensor: 16, ranks: 2 }, 1)).toBe(
      'python3 -m sglang.launch_server --model-path /models/llama --served-model-name llama@3 --tp-size 16 --pp-size 1 --nnodes 2 --node-rank 1 --dist-init-addr 10.0.0.5:29400 --max-running-requests 64 --enable-cache-report --host 127.0.0.1 --port 8001',
    );
    expect(line({ kind: 'sglang', device: 'cpu', program: ['/opt/sglang'] }, 0)).toBe(
      '/opt/sglang --model-path /models/llama --served-model-name llama@3 --tp-size 1 --pp-size 1 --max-running-requests 64 --enable-cache-report --host 127.0.0.1 --port 8001 --device cpu',
    );
  });

  it('says how long a text may be where the endpoint does, before words of one’s own, which win', () => {
    const limited = (engine: object): string =>
      shardedCommand(shardedEngineSchema.parse(engine), { ...at, rank: 0, contextTokens: 4_096 }).join(' ');
    expect(limited({ kind: 'vllm', arguments: ['--max-num-seqs', '8'] })).toMatch(
      /--max-num-seqs 64 --max-model-len 4096 .*--max-num-seqs 8$/,
    );
    expect(limited({ kind: 'sglang' })).toContain('--context-length 4096');
  });

  it('is for ranks that hold equal parts of the devices', () => {
    const wrong = shardedEngineSchema.safeParse({ kind: 'vllm', tensor: 4, ranks: 3 });
    expect(wrong.error?.issues[0]?.message).toMatch('must divide tensor × pipeline');
  });
});
