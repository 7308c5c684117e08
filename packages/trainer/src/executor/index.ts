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
export { createModelExecutor, type ModelExecutor, type ModelExecutorOptions } from './model-executor.ts';
export { probeDialect } from './probe-dialect.ts';
export { probePeakFlopPerSecond } from './probe-peak.ts';
