import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLogProgress, readProgressLine } from './log-progress.ts';

describe('lines that programs print', () => {
  it.each([
    [
      'Hugging Face Trainer 5',
      "{'loss': '3.085', 'grad_norm': '0.7213', 'learning_rate': '0.000825', 'epoch': '2.143'}",
      { loss: 3.085, learningRate: 0.000825 },
    ],
    [
      'Hugging Face Trainer 4',
      "{'loss': 0.7031, 'learning_rate': 5e-05, 'epoch': 0.1}",
      { loss: 0.7031, learningRate: 5e-5 },
    ],
    ['its evaluation', "{'eval_loss': 1.25, 'eval_runtime': 0.9, 'epoch': 1.0}", { validationLoss: 1.25 }],
    [
      'its bar',
      ' 45%|████▌     | 45/100 [00:10<01:12,  4.50it/s]',
      { step: 45, totalSteps: 100, etaSeconds: 72 },
    ],
    [
      'a bar with a loss',
      'Epoch 1:  10%|█         | 10/100 [00:01<00:09, 9.9it/s, loss=2.5, v_num=0]',
      { step: 10, totalSteps: 100, etaSeconds: 9, loss: 2.5 },
    ],
    [
      'key=value',
      'step=20/200 loss=0.4121 lr=1e-3',
      { step: 20, totalSteps: 200, loss: 0.4121, learningRate: 1e-3 },
    ],
    ['nanoGPT', 'iter 100: loss 2.3456, time 20.10ms, mfu 3.20%', { step: 100, loss: 2.3456 }],
    [
      'Megatron',
      ' iteration      100/  500000 | consumed samples: 51200 | learning rate: 1.500E-04 | lm loss: 7.123E+00 |',
      { step: 100, totalSteps: 500_000, learningRate: 1.5e-4, loss: 7.123 },
    ],
    [
      'a sentence',
      'Step 7 of 90, train loss: 3.5 (12.5k tok/s)',
      { step: 7, totalSteps: 90, loss: 3.5, tokensPerSecond: 12_500 },
    ],
    ['both losses', 'step 5: train loss 1.5, val loss 1.75', { step: 5, loss: 1.5, validationLoss: 1.75 }],
    ['colours', '\u001B[32mstep 3\u001B[0m loss: 0.5', { step: 3, loss: 0.5 }],
  ])('%s', (_name, line, expected) => {
    expect(readProgressLine(line)).toEqual(expected);
  });

  it.each([
    "{'train_runtime': '9.1', 'train_loss': '2.9', 'epoch': '3'}",
    'Loading weights:  50%|█████     | 1/2 [00:00<00:00, 9it/s]',
    'Writing model shards: 100%|██████████| 1/1 [00:00<00:00, 1199.40it/s]',
    'loss of connection to 10.0.0.1:29500',
    'lossless compression 9',
    'loss=nan',
    'step by step, 5 people',
    'the loss was 1.5x that of the last run',
    'next step: 5',
    '',
  ])('says nothing: %s', (line) => {
    expect(readProgressLine(line)).toBeUndefined();
  });
});

describe('a log as it grows', () => {
  it('is the same however it is cut', () => {
    const text =
      'step=1/9 loss=2\n  5%|▌ | 1/20 [00:01<00:19, 1it/s]\r 10%|█ | 2/20 [00:02<00:18, 1it/s]\rstep=2/9 loss=1.5\n';
    fc.assert(
      fc.property(fc.array(fc.nat(text.length), { maxLength: 6 }), (cuts) => {
        const log = createLogProgress();
        const at = [0, ...cuts.toSorted((one, other) => one - other), text.length];
        let seen = {};
        for (let index = 1; index < at.length; index += 1)
          seen = { ...seen, ...log.push(text.slice(at[index - 1], at[index])) };
        expect(seen).toEqual({ step: 2, totalSteps: 9, loss: 1.5, etaSeconds: 18 });
      }),
      { seed: 7, numRuns: 200 },
    );
  });

  it('neither keeps nor chokes on a line without end', () => {
    const log = createLogProgress();
    for (let part = 0; part < 100; part += 1) expect(log.push('loss '.repeat(10_000))).toBeUndefined();
    expect(log.push('\nstep=1 loss=2\n')).toEqual({ step: 1, loss: 2 });
  });

  it('takes any text in short time', () => {
    fc.assert(
      fc.property(
        fc.string({ maxLength: 2_000, unit: fc.constantFrom(...'loss=:0123456789.eE+-[|%/ \n\r'.split('')) }),
        (text) => {
          createLogProgress().push(text);
        },
      ),
      { seed: 7, numRuns: 300 },
    );
  });
});
