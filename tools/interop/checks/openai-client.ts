import { endpointReady } from '../../../apps/server/src/e2e/testing/follow.ts';
import { type Check, askPeer } from '../check.ts';

export const openaiClient: Check = async (world) => {
  const { client, url, key } = await world.platform();
  await client.call('endpoints.create', {
    body: { name: 'chat', model: 'tiny', resources: { cpu: 1, memory: '512MiB' } },
  });
  try {
    await endpointReady(client, 'chat', AbortSignal.timeout(60_000));
    return await askPeer(world, 'openai_client.py', { URL: url, KEY: key });
  } finally {
    await client.call('endpoints.delete', { params: { name: 'chat' } });
  }
};
