export {
  clearLeftovers,
  checkpointPath,
  listCheckpoints,
  openCheckpoint,
  type DamagedCheckpoint,
  type FoundCheckpoint,
} from './checkpoint-folder.ts';
export { Checkpointer, type CheckpointerOptions, type SaveOutcome } from './checkpointer.ts';
export type { Packing } from './shard-writer-thread.ts';
export { findDamage, readCheckpoint, readMatching } from './read-checkpoint.ts';
