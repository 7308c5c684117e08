export { Timeline, timeKinds, type TimeKind } from './timeline.ts';
