/** A tensor engine on a free port: `tensor-process.ts MODEL MAX_BATCH`. Prints its port when it is warm. */
import { serveTensors } from '@gantry/engines';

const [, , modelPath = '', maxBatch = '32'] = process.argv;
const server = await serveTensors({
  modelPath,
  modelName: 'model',
  listen: { port: 0 },
  threads: 1,
  batching: { maxBatchSize: Number(maxBatch) },
});
await server.loaded;
process.stdout.write(`${JSON.stringify(server.address)}\n`);
