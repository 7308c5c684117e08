import type { Runner } from '@gantry/ports';
import { describe, expect, test } from 'vitest';
import { followLogProgress } from './follow-log-progress.ts';
import type { SeenProgress } from './log-progress.ts';

const encoder = new TextEncoder();

function printing(stdout: readonly string[], stderr: readonly string[] = []): Pick<Runner, 'readLog'> {
  return {
    async *readLog(_workerId, { stream }) {
      for (const text of stream === 'stdout' ? stdout : stderr)
        yield await Promise.resolve(encoder.encode(text));
    },
  };
}

async function seenIn(runner: Pick<Runner, 'readLog'>): Promise<SeenProgress> {
  let all: SeenProgress = {};
  await followLogProgress(runner, 'w', (seen) => (all = { ...all, ...seen })).finish();
  return all;
}

describe('progress of a job that reports nothing itself', () => {
  test('the loss from its output, the step from the bar on its error stream', async () => {
    const runner = printing(
      ["{'loss': '2.5', 'learning_rate': '1e-3'}\n"],
      ['\r 50%|█████     | 20/40 [00:01<00:02]\r'],
    );
    expect(await seenIn(runner)).toMatchObject({ loss: 2.5, learningRate: 1e-3, step: 20, totalSteps: 40 });
  });

  test('a line that comes in two reads is one line', async () => {
    expect(await seenIn(printing(['step=3/9 lo', 'ss=1.25\n']))).toMatchObject({
      step: 3,
      totalSteps: 9,
      loss: 1.25,
    });
  });

  test('of a flood the end is read', async () => {
    const flood = `${'step=1/9 loss=9\n'.repeat(8_192)}step=8/9 loss=1.5\n`;
    expect(await seenIn(printing([flood]))).toMatchObject({ step: 8, loss: 1.5 });
  });

  test('a log that cannot be read is no progress, and no harm', async () => {
    const broken: Pick<Runner, 'readLog'> = {
      async *readLog() {
        yield await Promise.reject<Uint8Array>(new Error('gone'));
      },
    };
    expect(await seenIn(broken)).toEqual({});
  });

  test('a worker that never says that it ended is left after a while', async () => {
    const silent: Pick<Runner, 'readLog'> = {
      async *readLog(_workerId, { signal }) {
        if (!signal.aborted)
          await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        yield encoder.encode('step=1/2 loss=3\n');
      },
    };
    expect(await seenIn(silent)).toMatchObject({ loss: 3 });
  });
});
