export { elementsOf, GraphBuilder, type Shape, type Value } from './graph.ts';
export { attentionBlocks } from './attention.ts';
export { operators, type OperatorAttributes, type OperatorName } from './operators.ts';
export { route } from './routing.ts';
export { Tape, type Dialect, type Precision } from './tape.ts';
export { BlockedLayouts } from './blocked-layout.ts';
export { blockedShape } from './blocked-shape.ts';
export { alibiSlopes } from './constants.ts';
export { distanceBucket } from './distance-scores.ts';
