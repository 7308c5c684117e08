import { describe, expect, it } from 'vitest';
import { CliError } from './cli-error.ts';
import { chosenServer, serverBody } from './server-options.ts';

describe('a server of one’s own on the command line', () => {
  it('goes before what stands in the file, field by field', () => {
    const file = { image: 'acme/serve:1', healthPath: '/alive', command: ['--old'] };
    expect(serverBody({ image: 'acme/serve:2', network: 'own' }, ['-m', '$MODEL_PATH'], file)).toEqual({
      image: 'acme/serve:2',
      healthPath: '/alive',
      network: 'own',
      command: ['-m', '$MODEL_PATH'],
    });
  });

  it('is one of `endpoint create` where an image or the file says so', () => {
    expect(chosenServer({ image: 'acme/serve:1' }, ['-m'], undefined)).toEqual({
      image: 'acme/serve:1',
      command: ['-m'],
    });
    expect(chosenServer({}, [], { command: ['serve'] })).toEqual({ command: ['serve'] });
    expect(chosenServer({}, ['--max-num-seqs', '64'], undefined)).toBeUndefined();
  });

  it('is asked for whole: what speaks of a server without one is refused', () => {
    expect(() => chosenServer({ network: 'own' }, [], undefined)).toThrow(CliError);
    expect(() => chosenServer({ containerPort: 8000 }, [], undefined)).toThrow(
      '--container-port goes with --image',
    );
  });
});
