/**
 * Endpoints that an evaluation asks instead of computing a model itself: each must serve the very version that is
 * judged, as far as the platform knows, or as an admin said of servers that are not its own.
 */
import { type EvaluateSpec, GantryError } from '@gantry/contract';
import type { Row, Tx } from '@gantry/ports';
import type { EndpointSpecRecord } from '../endpoints/endpoint-record.ts';
import { findOr404 } from '../find.ts';

export interface AskedEndpoint {
  readonly endpoint: string;
  /** The revision or version that must answer, whatever the endpoint's shares of traffic. */
  readonly pin: string;
}

/** Refuses an endpoint that does not serve the version. */
export async function askedEndpoint(
  tx: Tx,
  tenantId: string,
  path: 'through' | 'againstThrough',
  name: string,
  version: string,
): Promise<AskedEndpoint> {
  const endpoint = await findOr404(tx, 'endpoint', tenantId, name);
  const pin = pinOf(endpoint, version);
  if (pin !== undefined) return { endpoint: name, pin };
  const { model, remote } = endpoint.spec as EndpointSpecRecord;
  const refuse = (message: string, hint: string): GantryError =>
    new GantryError('validation_failed', message, { details: { path: `evaluate.${path}` }, hint });
  if (remote !== undefined && remote.serves === undefined)
    throw refuse(
      `nobody said which version the servers of ${name} hold`,
      `an admin says so when they are connected: gantry endpoint connect … --serves ${version}`,
    );
  throw refuse(
    `${name} serves ${remote?.serves ?? model}, not ${version}`,
    `serve it under a name of its own, or as a shadow: gantry endpoint rollout ${name} --to ${version} --mode shadow`,
  );
}

/** The endpoints of an evaluation, by the version that each is asked for. */
export async function askedEndpoints(
  tx: Tx,
  tenantId: string,
  { model, against, through, againstThrough }: EvaluateSpec,
): Promise<Readonly<Record<string, AskedEndpoint>>> {
  const asked: Record<string, AskedEndpoint> = {};
  if (through !== undefined) asked[model] = await askedEndpoint(tx, tenantId, 'through', through, model);
  if (against !== undefined && againstThrough !== undefined)
    asked[against] = await askedEndpoint(tx, tenantId, 'againstThrough', againstThrough, against);
  return asked;
}

function pinOf({ spec }: Row, version: string): string | undefined {
  const { model, rollout, remote } = spec as EndpointSpecRecord;
  // The gateway knows servers of others by the name that they have for their model.
  if (remote !== undefined) return remote.serves === version ? model : undefined;
  return model === version || rollout?.model === version ? version : undefined;
}
