export { evaluateTensorRows } from './evaluate-tensor-rows.ts';
export { evaluateText } from './evaluate-text.ts';
export type { EvaluatedModel } from './open-scorer.ts';
export { serveHere, type ServedHere } from './serve-here.ts';
