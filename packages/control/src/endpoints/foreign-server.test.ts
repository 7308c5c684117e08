import type { Row } from '@gantry/ports';
import { describe, expect, it } from 'vitest';
import type { Deps, EngineOrigin } from '../deps.ts';
import { prepareForeignServer } from './foreign-server.ts';

const replica = { id: 'rpl_1', spec: { modelVersionId: 'mv_1' } } as unknown as Row;

/** What is said of where it listens, before and after. */
async function prepared(network: 'own' | 'shared', known?: EngineOrigin): Promise<EngineOrigin | undefined> {
  let announced = known;
  const version = { spec: { files: [{ path: 'lm.gguf', digest: 'd', bytes: 1 }] } };
  const places: Partial<Deps['places']> = {
    materialiseModel: async () => '/models/lm.gguf',
    prepareAttempt: async () => ({ specFile: '/runs/spec.json' }),
    engineOrigin: async () => announced,
    announceEngine: async (_workerId, origin) => void (announced = origin),
    freePort: async () => 4711,
    doorSocket: (workerId) => `/doors/${workerId}`,
  };
  const deps = { places, clock: { nowMs: () => 0 }, store: { read: async () => version } } as unknown as Deps;
  await prepareForeignServer(deps, replica, { workerId: 'w', healthPath: '/health', network });
  return announced;
}

describe('where a server of somebody else is asked', () => {
  it('is a port of the machine, or the door of its own network', async () => {
    expect(await prepared('shared')).toEqual({ port: 4711, healthPath: '/health' });
    expect(await prepared('own')).toEqual({ socketPath: '/doors/w', healthPath: '/health' });
  });

  it('stays where it is while it runs, whatever network is wanted by now', async () => {
    const [shared, own] = [
      { port: 9, healthPath: '/health' },
      { socketPath: '/doors/w', healthPath: '/health' },
    ];
    expect(await prepared('own', shared)).toEqual(shared);
    expect(await prepared('shared', own)).toEqual(own);
  });
});
