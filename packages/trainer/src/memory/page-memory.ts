/** Memory that begins at a page: what direct writes and WebAssembly kernels need. */

interface WebAssemblyMemory {
  readonly buffer: SharedArrayBuffer;
}

/** The part of the API that is used; no library of types that we load has it. */
interface WebAssemblyApi {
  readonly Memory: new (limits: { initial: number; maximum: number; shared: true }) => WebAssemblyMemory;
}

const wasmPageBytes = 65_536;
/** 4 GiB: what a 32-bit memory can have. */
const wasmPages = 65_536;

export function pageMemory(bytes: number): SharedArrayBuffer {
  const pages = Math.max(1, Math.ceil(bytes / wasmPageBytes));
  if (pages > wasmPages) return new SharedArrayBuffer(pages * wasmPageBytes);
  const { WebAssembly: api } = globalThis as unknown as { readonly WebAssembly: WebAssemblyApi };
  return new api.Memory({ initial: pages, maximum: pages, shared: true }).buffer;
}
