import type { BenchLine } from '../bench-line.ts';
import { openbPlacement } from './openb-placement.ts';

/** `npm run bench -- scheduling [case]`. */
export const cases: Readonly<Record<string, () => Promise<BenchLine[]>>> = {
  openb: openbPlacement,
};
