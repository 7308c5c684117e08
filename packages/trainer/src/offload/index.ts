export { updateOffloaded } from './offloaded-adamw.ts';
export {
  OffloadedState,
  type FrozenState,
  type HeldChunk,
  type OffloadedKind,
  type OffloadOptions,
} from './offloaded-state.ts';
