export { hasEmbeddedPostgres } from './embedded/embedded-postgres.ts';
export { openStore, type StoreLog, type StoreOptions } from './open-store.ts';
export { noteOutside, readOutside } from './outside-list.ts';
