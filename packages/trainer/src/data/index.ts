export { untilFile } from './arrival.ts';
export { DataError, type DataErrorCode } from './data-error.ts';
export {
  openDataset,
  type DatasetFile,
  type DatasetSplit,
  type PreparedDataset,
} from './dataset-manifest.ts';
export { prepareDataset, type PrepareDatasetOptions } from './prepare-dataset.ts';
export type { CleaningPlan, DataSource } from './inspect-files.ts';
export { openBatchFeed, halvesOf, type BatchFeed } from './loader/index.ts';
export { sequencesOf, ShardSet } from './shard-set.ts';
export type { TokenShard } from './token-shard.ts';
