/** The part of the WebAssembly API that is used; no library of types that we load has it. */
export interface WasmMemory {
  /** Another object after each growth; the old ones still show the same memory. */
  readonly buffer: SharedArrayBuffer;
  grow(pages: number): number;
}

export type WasmFunction = (...values: readonly number[]) => number;

interface WebAssemblyApi {
  readonly Memory: new (limits: { initial: number; maximum: number; shared: true }) => WasmMemory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  ) => { readonly exports: Readonly<Record<string, WasmFunction>> };
}

export const wasmPageBytes = 65_536;
/** 4 GiB: what a 32-bit memory can have. */
export const wasmPageLimit = 65_536;

export const webAssembly: WebAssemblyApi = (globalThis as unknown as { WebAssembly: WebAssemblyApi })
  .WebAssembly;
