export { elementsOf, GraphBuilder, type Shape, type Value } from './graph.ts';
export { operators, type OperatorAttributes, type OperatorName } from './operators.ts';
export { Tape } from './tape.ts';
