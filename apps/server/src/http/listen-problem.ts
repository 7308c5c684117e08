/** Why no port could be opened, in words with what to do; anything else stays what it is. */
import { GantryError } from '@gantry/contract';

type At = { readonly host: string; readonly port: number };

const problems: Readonly<Record<string, (at: At) => GantryError>> = {
  EADDRINUSE: ({ port }) =>
    new GantryError('port_in_use', `port ${port} is taken`, {
      hint: `use what is there: gantry status; or another: gantry up --port ${port + 1} --data-dir DIR`,
    }),
  EADDRNOTAVAIL: ({ host }) =>
    new GantryError('bad_request', `this machine has no address ${host}`, {
      hint: '--host takes an address of this machine; 0.0.0.0 means all of them',
    }),
  EACCES: ({ port }) =>
    new GantryError('bad_request', `this user may not open port ${port}`, {
      hint: 'take one from 1024 on, or give the right: setcap cap_net_bind_service=+ep on node',
    }),
  ENOTFOUND: ({ host }) =>
    new GantryError('bad_request', `nobody knows an address of "${host}"`, {
      hint: '--host takes an address of this machine, such as 127.0.0.1',
    }),
};

export function listenProblem(error: unknown, at: At): unknown {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  return problems[code === 'EAI_AGAIN' ? 'ENOTFOUND' : code]?.(at) ?? error;
}
