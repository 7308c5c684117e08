export { BackgroundGroup } from './background-group.ts';
export type { AllReduceAlgorithm } from './collectives.ts';
export type { Part } from './wire.ts';
export { joinWorld, type GroupOptions, type ProcessGroup, type World } from './process-group.ts';
export { startHeartbeat } from './heartbeat.ts';
export { RankLostError } from './rank-lost-error.ts';
export { createThreadMeeting, markGone, type ThreadMeeting } from './thread-meeting.ts';
export type { Transport } from './transport.ts';
