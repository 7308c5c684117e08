import { GantryError } from '@gantry/contract';

export const notOurCursor = (): GantryError =>
  new GantryError('validation_failed', 'this cursor is not one of ours', {
    hint: 'take nextCursor of the page before',
  });
