import { describe, expect, it } from 'vitest';
import { fill } from './start-own-server.ts';

describe('a command of the user', () => {
  it('gets what it asked for by name, and keeps what is not ours', () => {
    const values = { PORT: '4711', MODEL_PATH: '/m', MODEL_FILE: '/m/lm.gguf', MODEL_NAME: 'lm@3' };
    const command = [
      'vllm',
      'serve',
      '$MODEL_PATH',
      '$MODEL_FILE',
      '--port=${PORT}',
      '--served-model-name',
      '$MODEL_NAME',
      '$HOME',
    ];
    expect(command.map((argument) => fill(argument, values))).toEqual([
      'vllm',
      'serve',
      '/m',
      '/m/lm.gguf',
      '--port=4711',
      '--served-model-name',
      'lm@3',
      '$HOME',
    ]);
  });
});
