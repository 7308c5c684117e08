export * from './blobs.ts';
export * from './runner.ts';
export * from './store.ts';
