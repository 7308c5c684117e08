export type { HeldChunk } from './held-chunk.ts';
export { updateOffloaded } from './offloaded-update.ts';
export {
  OffloadedState,
  type FrozenState,
  type OffloadedKind,
  type OffloadOptions,
} from './offloaded-state.ts';
