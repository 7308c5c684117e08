export { commonPrefix } from './common-prefix.ts';
export { DraftLength } from './draft-length.ts';
export { ngramDraft } from './ngram-draft.ts';
export { laneCommands, type LaneCommand } from '../cache/lane-commands.ts';
export type { SequenceStart, StepEntry, StepPlan, StepSchedulerOptions } from './step-plan.ts';
export { StepScheduler } from './step-scheduler.ts';
