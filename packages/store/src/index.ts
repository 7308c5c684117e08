export { openStore, type StoreLog, type StoreOptions } from './open-store.ts';
