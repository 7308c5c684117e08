import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../testing/free-port.ts';
import { ofType, openTrainingScene, type TrainingScene } from '../testing/training-scene.ts';

let scene: TrainingScene;
beforeEach(async () => {
  scene = await openTrainingScene();
});
afterEach(() => scene[Symbol.asyncDispose]());

describe('ranks that share no folder of sockets', () => {
  it('train over TCP to the same bits', async () => {
    const place = `tcp://127.0.0.1:${await freePort()}`;
    const { codes } = await scene.attempt({ run: 'tcp', ranks: 3, rendezvous: { place, token: 'secret' } });
    expect(codes).toEqual([0, 0, 0]);
    await scene.attempt({ run: 'unix', ranks: 3 });
    expect(await scene.parametersAt('tcp', 12)).toEqual(await scene.parametersAt('unix', 12));
  });

  it.each([
    ['a port', { place: 'tcp://127.0.0.1', token: 'secret' }],
    ['a token', { place: 'tcp://127.0.0.1:4000' }],
  ])('are refused without %s', async (_, rendezvous) => {
    const { codes, reports } = await scene.attempt({ ranks: 2, rendezvous });
    expect(codes).toEqual([64, 64]);
    expect(ofType(reports, 'fault')[0]).toMatchObject({ code: 'bad_environment' });
  });
});
