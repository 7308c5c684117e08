export { augment, type Augmentation } from './augmentation.ts';
export type { Picture } from './picture.ts';
export { resize } from './resize.ts';
