import { expect, it } from 'vitest';
import { runWorker } from '../run-worker.ts';

it('every engine of this installation computes on the processor and names what it reads', async () => {
  const { code, said } = await runWorker('engines');
  expect(code).toBe(0);
  const engines = JSON.parse(said) as { engine: string; devices: { device: string; state: string }[] }[];
  expect(engines).toMatchObject([
    { engine: 'llama.cpp', formats: ['gguf'] },
    { engine: 'onnx runtime', formats: ['onnx'] },
    { engine: 'paged decoder', formats: ['safetensors'] },
  ]);
  for (const { devices } of engines) expect(devices).toContainEqual({ device: 'cpu', state: 'ready' });
});
