/** Memory that begins at a page, as direct writes need it. */
import { wasmPageBytes, wasmPageLimit, webAssembly } from './web-assembly.ts';

export function pageMemory(bytes: number): SharedArrayBuffer {
  const pages = Math.max(1, Math.ceil(bytes / wasmPageBytes));
  if (pages > wasmPageLimit) return new SharedArrayBuffer(pages * wasmPageBytes);
  return new webAssembly.Memory({ initial: pages, maximum: pages, shared: true }).buffer;
}
