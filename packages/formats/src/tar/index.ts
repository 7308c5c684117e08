export { readTar, type TarEntry, type TarLimits } from './read-tar.ts';
export { writeTar, type TarFile } from './write-tar.ts';
