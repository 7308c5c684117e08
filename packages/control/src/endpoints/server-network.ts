/**
 * Which network a server of a user's own is given. One of its own keeps it from the machine's other work, and that from
 * it; but then it can fetch nothing, so it is the default only for a command that is handed the model's files. Pure.
 */
import { GantryError, type OwnServer } from '@gantry/contract';

export interface NetworkRules {
  /** Workers of this machine can have a network of their own. */
  readonly canBeOwn: boolean;
  /** The operator lets no server into the machine's. */
  readonly demandsOwn: boolean;
}

type AskedServer = Pick<OwnServer, 'network' | 'command' | 'image'>;

/** Throws where what was asked for, or is demanded, cannot be. */
export function serverNetwork(
  { network, command, image }: AskedServer,
  { canBeOwn, demandsOwn }: NetworkRules,
): 'own' | 'shared' {
  if (demandsOwn && network === 'shared')
    throw new GantryError(
      'forbidden',
      'server.network: servers get a network of their own on this platform',
      {
        hint: 'leave it out; what the server would fetch can be registered as a model: gantry model import',
      },
    );
  if ((demandsOwn || network === 'own') && !canBeOwn)
    throw new GantryError(
      'unsatisfiable_request',
      'server.network: no worker of this machine can have a network of its own',
      {
        hint: demandsOwn
          ? 'ask the operator: gantry doctor says why'
          : 'gantry doctor says why; or network: shared',
      },
    );
  if (demandsOwn) return 'own';
  const hasFiles = command.some((argument) => /\$\{?MODEL_(PATH|FILE)\}?/.test(argument));
  return network ?? (image === undefined && hasFiles && canBeOwn ? 'own' : 'shared');
}
