export { updateOffloaded } from './offloaded-update.ts';
export {
  OffloadedState,
  type FrozenState,
  type HeldChunk,
  type OffloadedKind,
  type OffloadOptions,
} from './offloaded-state.ts';
