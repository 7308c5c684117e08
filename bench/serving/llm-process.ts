/** A language-model engine on a free port: `llm-process.ts MODEL SLOTS CONTEXT [DECODER]`. Prints its port when it is warm. */
import { serveLlm } from '@gantry/engines';

const [, , modelPath = '', slots = '16', contextTokens = '256', decoder] = process.argv;
const server = await serveLlm({
  modelPath,
  modelName: 'model',
  listen: { port: 0 },
  threads: 1,
  slots: Number(slots),
  contextTokens: Number(contextTokens),
  ...(decoder === 'paged' ? { decoder } : {}),
});
await server.loaded;
process.stdout.write(`${JSON.stringify(server.address)}\n`);
