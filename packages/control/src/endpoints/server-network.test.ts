import { GantryError } from '@gantry/contract';
import { describe, expect, it } from 'vitest';
import { serverNetwork } from './server-network.ts';

const withFiles = ['vllm', 'serve', '$MODEL_PATH', '--port', '$PORT'];
const fetching = ['vllm', 'serve', 'acme/llama', '--port', '$PORT'];
const can = { canBeOwn: true, demandsOwn: false };
const demanded = { canBeOwn: true, demandsOwn: true };

describe('the network of a server of one’s own', () => {
  it.each([
    ['a command that is handed the model’s files', { command: withFiles }, can, 'own'],
    ['a server of one file', { command: ['llama-server', '-m', '$MODEL_FILE'] }, can, 'own'],
    ['the same in braces', { command: ['serve', '--model=${MODEL_PATH}'] }, can, 'own'],
    ['a command that fetches its model', { command: fetching }, can, 'shared'],
    ['an image, whose needs nobody knows', { command: withFiles, image: 'acme/vllm:1' }, can, 'shared'],
    ['what was asked for', { command: withFiles, network: 'shared' }, can, 'shared'],
    ['what was asked for', { command: fetching, network: 'own' }, can, 'own'],
    ['a machine that has none', { command: withFiles }, { canBeOwn: false, demandsOwn: false }, 'shared'],
    ['whatever it is where the operator demands it', { command: fetching }, demanded, 'own'],
  ] as const)('of %s', (_what, server, rules, network) => {
    expect(serverNetwork({ ...server, command: [...server.command] }, rules)).toBe(network);
  });

  it.each([
    ['forbidden', 'shared', demanded],
    ['unsatisfiable_request', 'own', { canBeOwn: false, demandsOwn: false }],
    ['unsatisfiable_request', undefined, { canBeOwn: false, demandsOwn: true }],
  ] as const)('%s where %s is asked for and cannot be', (code, network, rules) => {
    const asked = { command: fetching, ...(network === undefined ? {} : { network }) };
    const refused = (): unknown => serverNetwork(asked, rules);
    expect(refused).toThrow(GantryError);
    expect(refused).toThrow(expect.objectContaining({ code, hint: expect.any(String) }));
  });
});
