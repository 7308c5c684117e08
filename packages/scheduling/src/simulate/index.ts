export {
  OPENB_PLACEMENTS,
  type OpenbPod,
  type OpenbRun,
  parseOpenbNodes,
  parseOpenbPods,
  runOpenb,
} from './openb.ts';
export { TraceError } from './trace-table.ts';
