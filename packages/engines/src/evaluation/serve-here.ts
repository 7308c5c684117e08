/**
 * A model served by this process to itself, over a socket in a folder of its own: so that it can be asked exactly as
 * the one that it is compared with.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EngineError } from '../engine-error.ts';
import type { EngineServer } from '../host/engine-server.ts';
import { serveLlm } from '../host/llm-server.ts';
import { serveTensors } from '../host/tensor-service.ts';
import type { EvaluatedModel } from './open-scorer.ts';

export interface ServedHere extends AsyncDisposable {
  readonly socketPath: string;
  /** By which it is asked. */
  readonly modelName: string;
}

export interface ServeHere {
  readonly model: EvaluatedModel | { readonly modelPath: string; readonly decoder: 'tensor' };
  readonly threads: number;
  /** Of a language model: characters of a question. */
  readonly window: number;
}

const modelName = 'source';

export async function serveHere({ model, threads, window }: ServeHere): Promise<ServedHere> {
  const { modelPath, decoder } = model;
  if (decoder === 'onnx')
    throw new EngineError('unsupported', 'An ONNX language model is scored here, not served.', {
      hint: 'Serve what it was made from as well, and name that endpoint: --against-through.',
    });
  const folder = await mkdtemp(join(tmpdir(), 'gantry-'));
  let server: EngineServer | undefined;
  const close = async (): Promise<void> => {
    await server?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const socketPath = join(folder, 'source.sock');
    const common = { listen: { socketPath }, modelPath, modelName, threads };
    server =
      decoder === 'tensor'
        ? await serveTensors(common)
        : // No tokenizer gives more tokens than bytes.
          await serveLlm({ ...common, decoder, contextTokens: Math.min(8_192, 4 * window + 64), slots: 2 });
    await server.loaded;
    return { socketPath, modelName, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}
