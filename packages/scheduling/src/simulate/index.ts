export {
  OPENB_PLACEMENTS,
  type OpenbPod,
  type OpenbRun,
  parseOpenbNodes,
  parseOpenbPods,
  runOpenb,
} from './openb.ts';
export { TraceError } from './trace-table.ts';
export { parseItp, parsePhilly } from './job-traces.ts';
export { replay, RESTART_SECONDS, type ReplayCluster, type ReplayObserver } from './replay.ts';
export type { LiveJob, ReplayJob } from './live-job.ts';
export { REPLAY_POLICIES } from './replay-policies.ts';
export type { ReplayResult } from './replay-result.ts';
export { Application, APPLICATION_NAMES } from './adaptive/application.ts';
export { parseAdaptiveWorkload } from './adaptive/parse-workload.ts';
export { ADAPTIVE_POLICIES, runAdaptive } from './adaptive/run-adaptive.ts';
export { MIXED_POLICIES } from './mixed/mixed-policies.ts';
export { parseMixedJobs, parseThroughputs } from './mixed/mixed-trace.ts';
export { runMixed } from './mixed/run-mixed.ts';
export { generateHistory, type HistoryJob } from './history/generated-history.ts';
export { type HistoryReplay, replayHistory } from './history/replay-history.ts';
export type { LiveWorld, PastJob } from './live/live-world.ts';
export { type LiveResult, summariseLive } from './live/live-result.ts';
export { type LiveObserver, replayLive } from './live/replay-live.ts';
