export { llamaShape, parameterLayout, type ShapeRequest } from './model/index.ts';
