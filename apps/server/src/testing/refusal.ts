/** The error of a call that must not be accepted; what it was answered otherwise. */
import { ApiError } from '@gantry/sdk';
import { expect } from 'vitest';

export const refusal = (asked: Promise<unknown>): Promise<ApiError> =>
  asked.then(
    (answer) => expect.fail(`was accepted: ${JSON.stringify(answer)}`),
    (error: unknown) => {
      if (error instanceof ApiError) return error;
      throw error;
    },
  );
