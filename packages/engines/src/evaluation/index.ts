export { evaluateTensorRows } from './evaluate-tensor-rows.ts';
export { evaluateText, type EvaluatedModel } from './evaluate-text.ts';
