export { transformerShape, parameterLayout, type ShapeRequest } from './model/index.ts';
