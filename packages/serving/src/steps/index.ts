export {
  StepScheduler,
  type KvCommand,
  type SequenceStart,
  type StepEntry,
  type StepPlan,
  type StepSchedulerOptions,
} from './step-scheduler.ts';
