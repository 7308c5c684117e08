import type { BenchLine } from '../bench-line.ts';
import { durableFill } from './durable-fill.ts';
import { estimates } from './estimates.ts';
import { gavel } from './gavel.ts';
import { itp, philly } from './job-replay.ts';
import { openbPlacement } from './openb-placement.ts';
import { pollux } from './pollux.ts';
import { event, fill, gang, reclaim, verdict } from './scale.ts';

/** `npm run bench -- scheduling [case]`. */
export const cases: Readonly<Record<string, () => Promise<BenchLine[]>>> = {
  openb: openbPlacement,
  philly,
  itp,
  pollux,
  gavel,
  estimates,
  fill,
  'durable-fill': durableFill,
  gang,
  verdict,
  reclaim,
  event,
};
