import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { endpointReady } from '../../../apps/server/src/e2e/testing/follow.ts';
import { sumModel } from '../../../packages/engines/src/testing/tensor-models.ts';
import { type Check, askPeer } from '../check.ts';

/** `tritonclient`, NVIDIA's own, over http and grpc against an ONNX endpoint. */
export const tensorClient: Check = async (world) => {
  const { client, url, grpc, key } = await world.platform();
  const path = join(world.dir, 'sum.onnx');
  await writeFile(path, sumModel({ columns: 2 }));
  await client.call('models.import', { body: { name: 'sum', path } });
  await client.call('endpoints.create', {
    body: { name: 'adder', model: 'sum', resources: { cpu: 1, memory: '512MiB' } },
  });
  try {
    await endpointReady(client, 'adder', AbortSignal.timeout(60_000));
    return await askPeer(world, 'tensor_client.py', {
      HTTP: new URL(url).host,
      GRPC: grpc,
      KEY: key,
      MODEL: 'adder',
    });
  } finally {
    await client.call('endpoints.delete', { params: { name: 'adder' } });
  }
};
