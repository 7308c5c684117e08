export { commonPrefix } from './common-prefix.ts';
export { DraftLength } from './draft-length.ts';
export { ngramDraft } from './ngram-draft.ts';
export type { PagedEntry, PagedPlan, PagedSchedulerOptions } from './paged-plan.ts';
export { PagedScheduler } from './paged-scheduler.ts';
export type { KvCommand, SequenceStart, StepEntry, StepPlan, StepSchedulerOptions } from './step-plan.ts';
export { StepScheduler } from './step-scheduler.ts';
