export { joinGroup, type GroupOptions, type ProcessGroup } from './process-group.ts';
export { RankLostError } from './rank-lost-error.ts';
