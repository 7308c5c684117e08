/** The servers of others that are asked, how each is started, and what it can do beyond completing a text. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RemoteEngine } from '@gantry/contract';
import type { ServerCommand } from './started-server.ts';

export type Skill =
  | 'chat'
  | 'logprobs'
  | 'several'
  | 'schemas'
  | 'tools'
  | 'responses'
  | 'refusals'
  | 'metrics'
  | 'echo';

export interface ServerKind {
  readonly engine: RemoteEngine;
  readonly skills: readonly Skill[];
  /** What it calls the model that lies in `modelDir`. */
  readonly modelName: (modelDir: string) => string;
  /** Where its kind does not say when it is ready. */
  readonly healthPath?: string;
  command(place: Place): ServerCommand;
}

interface Place {
  readonly port: number;
  readonly modelDir: string;
  readonly program: string;
  /** Where its settings lie. */
  readonly dir: string;
}

export const contextTokens = 128;

export const vllm: ServerKind = {
  engine: 'vllm',
  skills: ['chat', 'logprobs', 'several', 'schemas', 'tools', 'responses', 'refusals', 'metrics', 'echo'],
  modelName: () => 'theirs',
  command: ({ port, modelDir, program }) => ({
    words: [
      program,
      'serve',
      modelDir,
      '--host',
      '127.0.0.1',
      '--port',
      String(port),
      '--served-model-name',
      'theirs',
      '--dtype',
      'float32',
      '--enforce-eager',
      '--max-num-seqs',
      '8',
      '--enable-prompt-tokens-details',
      '--enable-auto-tool-choice',
      '--tool-call-parser',
      'hermes',
      '--structured-outputs-config',
      '{"backend": "xgrammar", "disable_any_whitespace": true}',
    ],
    env: { VLLM_TARGET_DEVICE: 'cpu', VLLM_CPU_KVCACHE_SPACE: '1', VLLM_NO_USAGE_STATS: '1' },
    healthPath: '/health',
  }),
};

/** `transformers serve`: one request after the other, no probabilities, a list of models that is of its cache. */
export const transformers: ServerKind = {
  engine: 'openai',
  skills: ['chat'],
  modelName: (modelDir) => modelDir,
  healthPath: '/health',
  command: ({ port, modelDir, program }) => ({
    words: [program, 'serve', modelDir, '--host', '127.0.0.1', '--port', String(port), '--device', 'cpu'],
    env: { OMP_NUM_THREADS: '1' },
    healthPath: '/health',
  }),
};

/** LiteLLM's proxy before another server: what many companies call "our OpenAI endpoint". Its settings: below. */
export const litellm: ServerKind = {
  engine: 'openai',
  skills: ['chat'],
  modelName: () => 'proxied',
  command: ({ port, program, dir }) => ({
    words: [program, '--config', join(dir, 'litellm.json'), '--host', '127.0.0.1', '--port', String(port)],
    env: {
      LITELLM_LOCAL_MODEL_COST_MAP: 'True',
      LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY: 'true',
    },
    healthPath: '/health/liveliness',
  }),
};

/** The proxy's settings; JSON is YAML. */
export async function writeProxySettings(
  dir: string,
  behind: { readonly origin: string; readonly modelName: string },
): Promise<void> {
  const model_list = [
    {
      model_name: 'proxied',
      litellm_params: {
        model: `hosted_vllm/${behind.modelName}`,
        api_base: `${behind.origin}/v1`,
        api_key: 'none',
      },
    },
  ];
  // A promise asks for what is refused: the proxy would leave the server behind it alone for a while.
  const router_settings = { disable_cooldowns: true };
  await writeFile(join(dir, 'litellm.json'), JSON.stringify({ model_list, router_settings }));
}
