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
export { replay, RESTART_SECONDS, type ReplayCluster, type ReplayJob } from './replay.ts';
export { REPLAY_POLICIES } from './replay-policies.ts';
export type { ReplayResult } from './replay-result.ts';
