/** What the server writes for a replica: which model, under which name, with how much room. */
import type {
  AdapterOptions,
  BatchingOptions,
  LlmDecoder,
  SpeculationOptions,
  WarmUpRequest,
} from '@gantry/engines';

export interface EngineSpec {
  readonly engine: 'llm' | 'tensor';
  readonly decoder?: LlmDecoder;
  readonly modelPath: string;
  readonly modelName: string;
  readonly contextTokens?: number;
  readonly slots?: number;
  readonly threads?: number;
  readonly memoryBytes?: number;
  readonly batching?: BatchingOptions;
  readonly warmUp?: readonly WarmUpRequest[];
  readonly speculation?: SpeculationOptions;
  readonly adapters?: readonly AdapterOptions[];
}

/** Undefined when the text is no such spec. */
export function parseEngineSpec(text: string): EngineSpec | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(json)) return undefined;
  const { modelPath, modelName, engine, decoder, batching, warmUp, speculation, adapters } = json;
  if (typeof modelPath !== 'string' || typeof modelName !== 'string') return undefined;
  const counts = ['contextTokens', 'slots', 'threads', 'memoryBytes'].flatMap((name) => {
    const value = json[name];
    return typeof value === 'number' && Number.isInteger(value) && value > 0 ? [[name, value]] : [];
  });
  return {
    engine: engine === 'tensor' ? 'tensor' : 'llm',
    modelPath,
    modelName,
    ...(decoder === 'paged' ? { decoder } : {}),
    ...(isRecord(batching) ? { batching } : {}),
    ...(Array.isArray(warmUp) ? { warmUp: warmUp as readonly WarmUpRequest[] } : {}),
    ...(isRecord(speculation) ? { speculation: speculation as unknown as SpeculationOptions } : {}),
    ...(Array.isArray(adapters) ? { adapters: adapters as readonly AdapterOptions[] } : {}),
    ...(Object.fromEntries(counts) as Partial<EngineSpec>),
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
