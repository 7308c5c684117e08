/**
 * Servers of other people as far as a gateway sees them: each kind's own paths and shapes, a state that can be set,
 * and one model that doubles numbers or repeats a word. Written from their documentation.
 */
import type { RemoteEngine } from '@gantry/contract';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface RemoteDouble extends AsyncDisposable {
  readonly url: string;
  readonly asked: {
    readonly path: string;
    readonly headers: IncomingMessage['headers'];
    readonly body: string;
  }[];
  state: 'ready' | 'loading';
  /** What it asks for; undefined: nothing. */
  key: string | undefined;
  /** Answers every inference with this status. */
  refuses: number | undefined;
  /** What becomes of an inference instead of an answer: nothing, or the server is gone. */
  fault: 'silent' | 'dies' | undefined;
}

export const modelName = 'org/doubler';
type Reply = readonly [status: number, body: unknown];
type Pages = (double: RemoteDouble, path: string, body: string) => Reply | undefined;

const encoded = encodeURIComponent(modelName);
const health =
  (path: string): Pages =>
  ({ state }, asked) =>
    asked === path ? (state === 'ready' ? [200, { status: 'ok' }] : [503, { error: 'loading' }]) : undefined;

const completions: Pages = (_double, path, body) => {
  if (!path.endsWith('/completions')) return undefined;
  const { model, prompt } = JSON.parse(body) as { readonly model: string; readonly prompt: string };
  if (model !== modelName) return [404, { error: { message: 'no such model' } }];
  const usage = { prompt_tokens: 2, completion_tokens: 1, total_tokens: 3 };
  return [
    200,
    {
      id: 'c',
      object: 'text_completion',
      model,
      choices: [{ index: 0, text: `${prompt}!`, finish_reason: 'stop' }],
      usage,
    },
  ];
};
const models =
  (extra: object = {}): Pages =>
  ({ state }, path) =>
    path.endsWith('/v1/models')
      ? [
          200,
          {
            object: 'list',
            data: [{ id: state === 'ready' ? modelName : 'another', object: 'model', ...extra }],
          },
        ]
      : undefined;
const page =
  (path: string, body: unknown): Pages =>
  (_double, asked) =>
    asked === path ? [200, body] : undefined;

const tensor = { name: 'y', datatype: 'FP32', shape: [-1, 2] };
const oip: readonly Pages[] = [
  ({ state }, path) =>
    path === `/v2/models/${encoded}/ready` ? [state === 'ready' ? 200 : 400, {}] : undefined,
  // Another version than the one it has; Triton's words.
  (_double, path) =>
    /\/versions\/(?!1(?:\/|$))/.test(path)
      ? path.endsWith('/ready')
        ? [400, { error: 'Model version not ready' }]
        : [404, { error: `Request for unknown model: '${modelName}' version is not found` }]
      : undefined,
  ({ state }, path) =>
    path === `/v2/models/${encoded}/versions/1/ready` && state === 'ready' ? [200, {}] : undefined,
  page(`/v2/models/${encoded}`, {
    name: modelName,
    versions: ['1'],
    inputs: [{ ...tensor, name: 'x' }],
    outputs: [tensor],
  }),
  (_double, path, body) => {
    if (path.replace('/versions/1', '') !== `/v2/models/${encoded}/infer`) return undefined;
    const [input] = (JSON.parse(body) as { readonly inputs: readonly { shape: number[]; data: number[] }[] })
      .inputs;
    const outputs = [{ ...tensor, shape: input?.shape, data: input?.data.map((value) => 2 * value) }];
    return [200, { model_name: modelName, outputs }];
  },
];
const twice = (rows: readonly number[][]): number[][] => rows.map((row) => row.map((value) => 2 * value));

const kinds: Readonly<Record<RemoteEngine, readonly Pages[]>> = {
  openai: [models(), completions],
  vllm: [health('/health'), models({ max_model_len: 8192 }), completions],
  sglang: [
    health('/health'),
    page('/get_server_info', { context_length: 4096, internal_states: [{ max_running_requests: 48 }] }),
    completions,
  ],
  'llama-server': [
    health('/health'),
    page('/props', { total_slots: 6, default_generation_settings: { n_ctx: 2048 } }),
    completions,
  ],
  oip,
  openvino: oip,
  triton: [
    ...oip,
    page(`/v2/models/${encoded}/config`, { max_batch_size: 8, instance_group: [{ count: 2 }, { count: 1 }] }),
  ],
  tfserving: [
    ({ state }, path) =>
      path === `/v1/models/${encoded}`
        ? [
            200,
            { model_version_status: [{ version: '1', state: state === 'ready' ? 'AVAILABLE' : 'LOADING' }] },
          ]
        : undefined,
    page(`/v1/models/${encoded}/metadata`, {
      metadata: {
        signature_def: {
          signature_def: {
            serving_default: {
              inputs: { x: { dtype: 'DT_DOUBLE', tensor_shape: { dim: [{ size: '-1' }, { size: '2' }] } } },
              outputs: { y: { dtype: 'DT_DOUBLE', tensor_shape: { dim: [{ size: '-1' }, { size: '2' }] } } },
            },
          },
        },
      },
    }),
    (_double, path, body) => {
      if (path !== `/v1/models/${encoded}:predict`) return undefined;
      const { inputs } = JSON.parse(body) as { readonly inputs: { readonly x: number[][] } };
      return inputs.x === undefined ? [400, { error: 'no input x' }] : [200, { outputs: twice(inputs.x) }];
    },
  ],
  torchserve: [
    // Its management API, here on the same port.
    page(`/models/${encoded}`, [
      {
        modelName,
        batchSize: 4,
        workers: [{ status: 'READY' }, { status: 'READY' }, { status: 'UNLOADING' }],
      },
    ]),
    ({ state }, path) =>
      path === '/ping' ? [200, { status: state === 'ready' ? 'Healthy' : 'Unhealthy' }] : undefined,
    (_double, path, body) =>
      path === `/predictions/${encoded}`
        ? [200, { predictions: twice((JSON.parse(body) as { readonly instances: number[][] }).instances) }]
        : undefined,
  ],
};

export async function createRemoteDouble(engine: RemoteEngine): Promise<RemoteDouble> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      const path = request.url ?? '';
      double.asked.push({ path, headers: request.headers, body });
      if (request.method === 'POST' && double.fault === 'silent') return;
      if (request.method === 'POST' && double.fault === 'dies') {
        server.close();
        return server.closeAllConnections();
      }
      const [status, said] = reply(path, request, body);
      response.writeHead(status, { 'content-type': 'application/json', 'retry-after': '7' });
      response.end(JSON.stringify(said));
    });
  });
  const reply = (path: string, request: IncomingMessage, body: string): Reply => {
    if (double.key !== undefined && request.headers.authorization !== `Bearer ${double.key}`)
      return [401, { error: 'who are you' }];
    if (double.refuses !== undefined && request.method === 'POST') return [double.refuses, { error: 'no' }];
    for (const pages of kinds[engine]) {
      const found = pages(double, path, body);
      if (found !== undefined) return found;
    }
    return [404, { error: `no ${path}` }];
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const double: RemoteDouble = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: [],
    state: 'ready',
    key: undefined,
    refuses: undefined,
    fault: undefined,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return double;
}
