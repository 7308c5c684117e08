export type { BatchFeed } from './batch-feed.ts';
export { openBatchFeed } from './open-batch-feed.ts';
export { halvesOf } from './inline-feed.ts';
