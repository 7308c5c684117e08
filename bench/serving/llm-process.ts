/**
 * A language-model engine on a free port: `llm-process.ts MODEL SLOTS CONTEXT [DECODER]`. When it has answered a first
 * token it prints its port, and how long that took after its imports.
 */
import { serveLlm } from '@gantry/engines';

const [, , modelPath = '', slots = '16', contextTokens = '256', decoder] = process.argv;
const startedMs = performance.now();
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
process.stdout.write(`${JSON.stringify({ ...server.address, readyMs: performance.now() - startedMs })}\n`);
