import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { createGatewayHarness } from '../testing/gateway-harness.ts';
import { isPrivateAddress, isPrivateHost } from './private-address.ts';

it('knows the addresses of the inside, however they are written', () => {
  const inside = ['127.0.0.1', '10.1.2.3', '192.168.0.1', '172.31.0.1', '169.254.169.254', '0.0.0.0', '::1'];
  const mapped = [
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    'fd00::1',
    'fe80::1',
    'fec0::1',
    '::',
    '64:ff9b::7f00:1',
  ];
  // 127.0.0.1 and the metadata service inside addresses of version 6: compatible, translated, 6to4, Teredo.
  const held = [
    '::127.0.0.1',
    '::a9fe:a9fe',
    '::ffff:0:7f00:1',
    '64:ff9b:1::7f00:1',
    '2002:a9fe:a9fe::1',
    '2001:0:1::1',
  ];
  for (const address of [...inside, ...mapped, ...held])
    expect([address, isPrivateAddress(address)]).toEqual([address, true]);
  for (const address of ['1.1.1.1', '172.32.0.1', '2606:4700::1111', '2001:4860:4860::8888'])
    expect([address, isPrivateAddress(address)]).toEqual([address, false]);
  // URLs write addresses in many ways; the parser has one.
  for (const url of [
    'http://2130706433/',
    'http://0x7f.1/',
    'http://[::ffff:7f00:1]/',
    'http://a.localhost/',
    'http://localhost./',
    'http://[::7f00:1]/',
  ])
    expect([url, isPrivateHost(url)]).toEqual([url, true]);
  expect(isPrivateHost('https://api.example.com/v1')).toBe(false);
});

it('a public name that leads inside is not connected to', async () => {
  let asked = 0;
  const server = createServer((_request, response) => {
    asked++;
    response.end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  await using harness = await createGatewayHarness();
  const url = `http://localhost:${(server.address() as AddressInfo).port}`;
  const look = (mayBePrivate: boolean) =>
    harness.gateway.lookAtRemote({ url, engine: 'openai', mayBePrivate }, 'm', false);
  expect(await look(false)).toMatchObject({ state: 'unreachable', message: 'EPRIVATE' });
  expect(asked).toBe(0);
  expect(await look(true)).toMatchObject({ state: 'ready' });
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});
