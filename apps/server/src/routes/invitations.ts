import { GantryError, type Invitation } from '@gantry/contract';
import { type InvitationSpecRecord, acceptInvitation, invite, revokeInvitation } from '@gantry/control';
import type { Row } from '@gantry/ports';
import type { Handlers } from '../http/index.ts';
import type { Platform } from '../platform.ts';
import { base } from './base.ts';
import { toIssuedKey } from './keys.ts';
import { toPage, toPageRequest } from './page.ts';

type InvitationRoutes = Pick<Handlers, Extract<keyof Handlers, `invitations.${string}`>>;

export function invitationRoutes({ deps }: Platform): InvitationRoutes {
  const { store } = deps;
  const toInvitation = (row: Row, tenant: string): Invitation => {
    const { role, invitedBy, expiresAt } = row.spec as InvitationSpecRecord;
    const state = Date.parse(expiresAt) <= deps.clock.nowMs() ? 'expired' : 'open';
    return { ...base(row, tenant), role, invitedBy, expiresAt, state };
  };
  return {
    'invitations.create': async ({ principal, requestId }, { body }) => {
      const { row, token } = await store.tx({ tenantId: principal.tenantId }, (tx) =>
        invite(deps, tx, principal, body, requestId),
      );
      return { ...toInvitation(row, principal.tenantName), token };
    },
    'invitations.list': async ({ principal }, { query }) =>
      toPage(
        await store.read({ tenantId: principal.tenantId }, (tx) =>
          tx.list('invitation', {
            tenantId: principal.tenantId,
            ...toPageRequest(query),
            newestFirst: true,
          }),
        ),
        (row) => toInvitation(row, principal.tenantName),
      ),
    'invitations.revoke': async ({ principal, requestId }, { params }) => {
      await store.tx({ tenantId: principal.tenantId }, (tx) =>
        revokeInvitation(tx, principal, params.name, requestId),
      );
      return { ok: true as const };
    },
    'invitations.accept': async ({ requestId }, { body }) => {
      try {
        const issued = await store.tx({ platform: true }, (tx) =>
          acceptInvitation(deps, tx, body.token, requestId),
        );
        return toIssuedKey(issued, issued.tenant.name);
      } catch (error) {
        // Somebody else brought the same token a moment earlier.
        if (error instanceof GantryError && error.code === 'version_conflict')
          throw new GantryError('invitation_invalid', 'this invitation was accepted just now', {
            cause: error,
          });
        throw error;
      }
    },
  };
}
