export { kinds, type WorkerKind } from './kinds.ts';
