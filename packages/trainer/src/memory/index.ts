export { Arena, type ArenaRegion, type ArenaStatistics } from './arena.ts';
export { mostSummed } from './kernels.ts';
export { pageMemory } from './page-memory.ts';
export { wasmPageBytes, wasmPageLimit, webAssembly, type WasmMemory } from './web-assembly.ts';
