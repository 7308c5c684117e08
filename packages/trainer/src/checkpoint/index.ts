export type { CheckpointManifest, CheckpointState } from './checkpoint-manifest.ts';
export {
  pruneCheckpoints,
  readCheckpoint,
  readNewest,
  saveCheckpoint,
  writeDurably,
  type DamagedCheckpoint,
  type FoundCheckpoint,
  type SavedCheckpoint,
  type TrainingBuffers,
  type WriteDurably,
} from './checkpoint-store.ts';
