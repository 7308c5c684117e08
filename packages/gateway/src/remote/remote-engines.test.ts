/** Readings of pages that real servers gave. */
import { expect, it } from 'vitest';
import { remoteKinds } from './remote-engines.ts';
import { translateCall } from './translate-call.ts';

const worker = (status: string) => ({ id: '9000', status, gpu: false });

it('is TorchServe without a ready worker that is not ready, though its ping says "Healthy"', () => {
  const isReady = (status: number, ...states: readonly string[]) =>
    remoteKinds.torchserve.hasWorkers?.read(status, [{ workers: states.map(worker) }], 'm');
  expect([isReady(200, 'UNLOADING', 'UNLOADING'), isReady(200, 'UNLOADING', 'READY')]).toEqual([false, true]);
  // Its management may want another token: then the ping is all that there is.
  expect(isReady(401)).toBe(true);
});

it('counts the instances of Triton on each device of a group', () => {
  const config = {
    max_batch_size: 8,
    instance_group: [
      { kind: 'KIND_GPU', count: 2, gpus: [0, 1] },
      { kind: 'KIND_CPU', count: 1, gpus: [] },
    ],
  };
  expect(remoteKinds.triton.capacity?.read(200, config, 'm')).toEqual({ slots: 40 });
});

it('gives the rows that TorchServe names as a tensor of each name', () => {
  const inputs = [
    { name: 'a', datatype: 'FP32', shape: [2, 2], data: [1, 2, 1, 3] },
    { name: 'b', datatype: 'FP32', shape: [2, 1], data: [3, 5] },
  ];
  const bytes = Buffer.from(JSON.stringify({ inputs }));
  const asked = { model: 'near', version: undefined, verb: 'infer', isBinary: false, bytes } as const;
  const translated = translateCall({ engine: 'torchserve' }, asked, 'far');
  if (translated === undefined || !('call' in translated)) throw new Error('it was not translated');
  const instances = [
    { a: [1, 2], b: [3] },
    { a: [1, 3], b: [5] },
  ];
  expect(JSON.parse(String(translated.call.body))).toEqual({ instances });
  const answer = translated.toAnswer(200, Buffer.from(JSON.stringify({ predictions: instances })));
  expect(JSON.parse(String(answer))).toEqual({
    model_name: 'near',
    outputs: inputs.map((input) => expect.objectContaining(input)),
  });
});
