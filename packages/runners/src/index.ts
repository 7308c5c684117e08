export { readOwnFile } from './local/own-file.ts';
export { createWorkerMeter, type WorkerMeter } from './local/worker-meter.ts';
export { createLocalRunner, type LocalRunnerOptions } from './local/local-runner.ts';
export { type Isolation, type IsolationFacts, probeIsolation, toIsolationFacts } from './local/isolation.ts';
export { type ContainerTool, findContainerTool } from './containers/container-tool.ts';
