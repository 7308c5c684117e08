export { createLocalRunner, type LocalRunnerOptions } from './local/local-runner.ts';
