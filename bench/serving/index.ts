import { gatewayCost } from './gateway-cost.ts';
import type { BenchLine } from '../bench-line.ts';

/** `npm run bench -- serving [case]`. */
export const cases: Readonly<Record<string, () => Promise<BenchLine[]>>> = {
  'gateway-cost': gatewayCost,
};
