export { drawPipeline, tracePath } from './pipeline-picture.ts';
export { Timeline, timeKinds, type TimeKind } from './timeline.ts';
