export { createBlobStore } from './disk-blobs.ts';
