export { EngineError, type EngineErrorCode } from './engine-error.ts';
export { serveLlm, type LlmServer, type ServeLlmOptions } from './host/llm-server.ts';
export type { LlmDecoder } from './host/create-llm-engine.ts';
export type { EngineServer } from './host/engine-server.ts';
export { serveTensors, type BatchingOptions, type TensorServiceOptions } from './host/tensor-service.ts';
export type { WarmUpRequest } from './onnx/warm-up.ts';
export { runEngineHost, type EngineHostOptions } from './host/run-engine-host.ts';
export type { AdapterOptions } from './llamacpp/adapters.ts';
export type { SpeculationOptions } from './llamacpp/drafter.ts';
export { createLlamaEngine, type LlamaEngineOptions } from './llamacpp/llama-engine.ts';
export type {
  ChatMessage,
  EngineStats,
  GenerateEvent,
  GenerateRequest,
  LlmEngine,
  SamplingOptions,
  TokenLogprob,
  TokenScore,
} from './llm-engine.ts';
