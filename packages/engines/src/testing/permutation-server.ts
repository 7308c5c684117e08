/** An engine host over the permutation model on a port of its own, with OpenAI's client and plain calls to it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { serveLlm, type LlmServer } from '../host/llm-server.ts';
import { writePermutationModel } from './permutation-model.ts';

export const greedy = { model: 'permutation', temperature: 0 } as const;

export interface PermutationServer extends AsyncDisposable {
  /** Gone with the server. */
  readonly folder: string;
  readonly modelPath: string;
  readonly origin: string;
  readonly client: OpenAI;
  /** `at`: another server than this one. */
  readonly post: (path: string, body: unknown, at?: string) => Promise<Response>;
}

export const originOf = ({ address }: LlmServer): string =>
  'port' in address ? `http://127.0.0.1:${address.port}` : '';

export async function servePermutation(): Promise<PermutationServer> {
  const folder = await mkdtemp(join(tmpdir(), 'gantry-host-'));
  const modelPath = join(folder, 'model.gguf');
  await writePermutationModel(modelPath, { contextTokens: 4_096 });
  const server = await serveLlm({
    modelPath,
    modelName: 'permutation',
    listen: { port: 0 },
    slots: 4,
    threads: 1,
  });
  await server.loaded;
  const origin = originOf(server);
  return {
    folder,
    modelPath,
    origin,
    client: new OpenAI({ apiKey: 'none', baseURL: `${origin}/v1`, maxRetries: 0 }),
    post: (path, body, at = origin) =>
      fetch(at + path, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) }),
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
