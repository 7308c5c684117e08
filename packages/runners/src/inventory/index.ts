export type { Accelerator, Discovery, MigSlice } from './accelerator.ts';
export { parseRocmSmi } from './amd.ts';
export type { CpuSocket } from './cpu-sockets.ts';
export { createLoadMeter } from './load-meter.ts';
export { createLocalInventory, type LocalInventory, type MachineFacts } from './local-inventory.ts';
export { parseNvidiaSmi, parseTopology, readNvidia } from './nvidia.ts';
