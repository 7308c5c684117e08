/**
 * Where each kind of server says that it is alive, ready for a model, and how much it takes at once. A row for every
 * kind the contract knows; answers are read with care, since they are somebody else's.
 */
import type { RemoteEngine } from '@gantry/contract';
import type { RemoteSignature, RemoteTensor } from './remote-origin.ts';

export interface Capacity {
  /** Requests computed at once. */
  readonly slots?: number;
  readonly contextTokens?: number;
  readonly signature?: RemoteSignature;
  /** It does not know the protocol's binary extension. */
  readonly isJsonOnly?: boolean;
}

interface Probe<T> {
  /** Asked at the management port; not at all where there is none. */
  readonly isManagement?: boolean;
  path(model: string): string;
  /** `body`: the parsed JSON, or undefined where it is none. */
  read(status: number, body: unknown, model: string): T;
}

export interface RemoteKind {
  readonly ready: Probe<boolean>;
  /** Asked after that, where its management listens. */
  readonly hasWorkers?: Probe<boolean>;
  /** Looked at when a server becomes ready. */
  readonly capacity?: Probe<Capacity>;
  readonly extensions?: Probe<Capacity>;
}

const is200 = (status: number): boolean => status === 200;
const oipModel = (model: string): string => `/v2/models/${encodeURIComponent(model)}`;
/** Ready while it answers 200. */
export const health = (path: string): Probe<boolean> => ({ path: () => path, read: is200 });

/** A list that names other models only is of a server that does not have ours. */
const listsModel: Probe<boolean> = {
  path: () => '/v1/models',
  read: (status, body, model) => {
    const ids = listAt(body, 'data').map((each) => at(each, 'id'));
    return status === 200 && (ids.length === 0 || ids.includes(model));
  },
};

const oipReady: Probe<boolean> = { path: (model) => `${oipModel(model)}/ready`, read: is200 };
const oipSignature: Probe<Capacity> = {
  path: oipModel,
  read: (_status, body) => ({
    signature: { inputs: tensorsOf(at(body, 'inputs')), outputs: tensorsOf(at(body, 'outputs')) },
  }),
};

/** A server that names none says nothing about it; MLServer and KServe name others. */
const oipExtensions: Probe<Capacity> = {
  path: () => '/v2',
  read: (status, body) =>
    status === 200 && Array.isArray(at(body, 'extensions'))
      ? { isJsonOnly: !listAt(body, 'extensions').includes('binary_tensor_data') }
      : {},
};

export const remoteKinds: Readonly<Record<RemoteEngine, RemoteKind>> = {
  openai: { ready: listsModel },
  vllm: {
    ready: health('/health'),
    capacity: {
      path: () => '/v1/models',
      read: (_status, body, model) => {
        const own = listAt(body, 'data').find((each) => at(each, 'id') === model);
        return withCounts({ contextTokens: at(own, 'max_model_len') });
      },
    },
  },
  sglang: {
    ready: health('/health'),
    capacity: {
      path: () => '/get_server_info',
      read: (_status, body) => {
        const [inner] = listAt(body, 'internal_states');
        return withCounts({
          slots: at(body, 'max_running_requests') ?? at(inner, 'max_running_requests'),
          contextTokens: at(body, 'context_length') ?? at(body, 'max_req_input_len'),
        });
      },
    },
  },
  'llama-server': {
    // 503 while it loads.
    ready: health('/health'),
    capacity: {
      path: () => '/props',
      read: (_status, body) =>
        withCounts({
          slots: at(body, 'total_slots'),
          contextTokens: at(at(body, 'default_generation_settings'), 'n_ctx'),
        }),
    },
  },
  oip: { ready: oipReady, capacity: oipSignature, extensions: oipExtensions },
  openvino: { ready: oipReady, capacity: oipSignature },
  triton: {
    ready: oipReady,
    capacity: {
      path: (model) => `${oipModel(model)}/config`,
      read: (_status, body) => {
        // A group on devices has its count on each of them.
        const instances = listAt(body, 'instance_group').reduce<number>(
          (sum, group) => sum + (count(at(group, 'count')) ?? 1) * Math.max(1, listAt(group, 'gpus').length),
          0,
        );
        return withCounts({ slots: Math.max(1, instances) * (count(at(body, 'max_batch_size')) ?? 1) });
      },
    },
  },
  tfserving: {
    ready: {
      path: (model) => `/v1/models/${encodeURIComponent(model)}`,
      read: (_status, body) =>
        listAt(body, 'model_version_status').some((version) => at(version, 'state') === 'AVAILABLE'),
    },
    capacity: {
      path: (model) => `/v1/models/${encodeURIComponent(model)}/metadata`,
      read: (_status, body) => ({ signature: tensorflowSignature(body) }),
    },
  },
  torchserve: {
    ready: {
      path: () => '/ping',
      read: (_status, body) => at(body, 'status') === 'Healthy',
    },
    // It stays "Healthy" when all workers of a model have ended for good.
    hasWorkers: {
      isManagement: true,
      path: (model) => `/models/${encodeURIComponent(model)}`,
      read: (status, body) => status !== 200 || readyWorkers(body) > 0,
    },
    capacity: {
      isManagement: true,
      path: (model) => `/models/${encodeURIComponent(model)}`,
      read: (_status, body) => {
        const [version] = versionsOf(body);
        return withCounts({ slots: readyWorkers(body) * (count(at(version, 'batchSize')) ?? 1) });
      },
    },
  },
};

function at(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}

function listAt(value: unknown, key: string): readonly unknown[] {
  const found = at(value, key);
  return Array.isArray(found) ? (found as unknown[]) : [];
}

/** TorchServe's management tells of a model's default version. */
const versionsOf = (body: unknown): readonly unknown[] =>
  Array.isArray(body) ? (body as readonly unknown[]) : [];
const readyWorkers = (body: unknown): number =>
  listAt(versionsOf(body)[0], 'workers').filter((worker) => at(worker, 'status') === 'READY').length;

const count = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isInteger(value) && value > 0 && value < 1e9 ? value : undefined;

function withCounts(found: { readonly slots?: unknown; readonly contextTokens?: unknown }): Capacity {
  const [slots, contextTokens] = [count(found.slots), count(found.contextTokens)];
  return {
    ...(slots === undefined ? {} : { slots }),
    ...(contextTokens === undefined ? {} : { contextTokens }),
  };
}

function tensorsOf(value: unknown): readonly RemoteTensor[] {
  if (!Array.isArray(value)) return [];
  return (value as readonly unknown[]).flatMap((each) => {
    const [name, datatype, shape] = [at(each, 'name'), at(each, 'datatype'), at(each, 'shape')];
    if (typeof name !== 'string' || typeof datatype !== 'string' || !Array.isArray(shape)) return [];
    return [{ name, datatype, shape: shape.map(Number) }];
  });
}

/** TensorFlow's names of element types; others are left as numbers of four bytes. */
const tensorflowTypes: Readonly<Record<string, string>> = {
  DT_FLOAT: 'FP32',
  DT_DOUBLE: 'FP64',
  DT_HALF: 'FP16',
  DT_BFLOAT16: 'BF16',
  DT_INT8: 'INT8',
  DT_INT16: 'INT16',
  DT_INT32: 'INT32',
  DT_INT64: 'INT64',
  DT_UINT8: 'UINT8',
  DT_UINT16: 'UINT16',
  DT_UINT32: 'UINT32',
  DT_UINT64: 'UINT64',
  DT_BOOL: 'BOOL',
  DT_STRING: 'BYTES',
};

function tensorflowSignature(body: unknown): RemoteSignature {
  const definitions = at(at(at(body, 'metadata'), 'signature_def'), 'signature_def');
  const serving = at(definitions, 'serving_default');
  const tensors = (value: unknown): readonly RemoteTensor[] =>
    Object.entries((value ?? {}) as Record<string, unknown>).map(([name, each]) => ({
      name,
      datatype: tensorflowTypes[String(at(each, 'dtype'))] ?? 'FP32',
      shape: listAt(at(each, 'tensor_shape'), 'dim').map((dimension) => Number(at(dimension, 'size'))),
    }));
  return { inputs: tensors(at(serving, 'inputs')), outputs: tensors(at(serving, 'outputs')) };
}
