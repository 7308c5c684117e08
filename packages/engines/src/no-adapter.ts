/** What a request is told that asks for an adapter which is not loaded. */
import { EngineError } from './engine-error.ts';

/** `loaded`: names of those that there are. */
export const noAdapter = (name: string, loaded: readonly string[]): EngineError =>
  new EngineError('model_not_found', `The model has no adapter ${JSON.stringify(name)}.`, {
    param: 'model',
    hint: loaded.length === 0 ? 'It has none.' : `It has ${loaded.join(', ')}.`,
  });
