export {
  createExecutor,
  createSession,
  probeOutputPath,
  type BoundRun,
  type BoundTensor,
  type Executor,
  type GraphSession,
  type OutputPath,
} from './executor.ts';
export { createLlamaExecutor, type LlamaExecutor, type LlamaExecutorOptions } from './llama-executor.ts';
export { probeDialect } from './probe-dialect.ts';
