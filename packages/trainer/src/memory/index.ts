export { Arena, type ArenaStatistics } from './arena.ts';
export { pageMemory } from './page-memory.ts';
