export { createLocalInventory, type LocalInventory, type MachineFacts } from './local-inventory.ts';
export { parseNvidiaSmi, parseTopology, type Accelerator } from './nvidia.ts';
