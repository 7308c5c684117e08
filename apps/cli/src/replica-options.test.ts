import { endpointCreate } from '@gantry/contract';
import { Command } from 'commander';
import { expect, it } from 'vitest';
import { replicaBody, withReplicaOptions } from './replica-options.ts';

const read = (words: readonly string[], file = {}) =>
  replicaBody(withReplicaOptions(new Command()).parse(words, { from: 'user' }).opts(), file);

it('an endpoint says which devices and machines its replicas may take', () => {
  const body = read(
    '--cpu 4 --memory 8Gi --gpus 2 --gpu-model H100 --gpu-memory 40Gi --node pool=fast --node zone=a --tolerate team=ml --queue prod --context 4096 --slots 8'.split(
      ' ',
    ),
  );
  expect(endpointCreate.parse({ name: 'chat', model: 'lm', ...body })).toMatchObject({
    resources: { cpu: 4, memory: 8 * 1024 ** 3, gpu: 2, gpuModel: 'H100', gpuMemory: 40 * 1024 ** 3 },
    nodeSelector: { pool: 'fast', zone: 'a' },
    tolerations: [{ key: 'team', value: 'ml' }],
    queue: 'prod',
    contextTokens: 4096,
    slots: 8,
  });
});

it('a tensor model is warmed with so many rows, after what the file names', () => {
  const body = read(['--warm-up', '1', '--warm-up', '32'], { warmUp: [{ name: 'usual', rows: 8 }] });
  expect(endpointCreate.parse({ name: 'sum', model: 'sum', ...body }).warmUp).toEqual([
    { name: 'usual', rows: 8, count: 1 },
    { rows: 1, count: 1 },
    { rows: 32, count: 1 },
  ]);
});

it('the command line goes before the file, and says nothing that nobody said', () => {
  expect(read([])).toEqual({});
  const file = { resources: { cpu: 2, gpu: 1 }, nodeSelector: { pool: 'slow', zone: 'a' } };
  expect(read(['--gpus', '2', '--node', 'pool=fast'], file)).toEqual({
    resources: { cpu: 2, gpu: 2 },
    nodeSelector: { pool: 'fast', zone: 'a' },
  });
});
