export {
  clearLeftovers,
  checkpointPath,
  listCheckpoints,
  openCheckpoint,
  type DamagedCheckpoint,
  type FoundCheckpoint,
} from './checkpoint-folder.ts';
export { Checkpointer, type SaveOutcome } from './checkpointer.ts';
export { findDamage, readCheckpoint, readMatching } from './read-checkpoint.ts';
