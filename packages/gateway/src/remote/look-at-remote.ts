/** One look at a server of somebody else: whether it can answer now, and what it says of itself. */
import { request, type Dispatcher } from 'undici';
import { health, remoteKinds, type Capacity } from './remote-engines.ts';
import { isGrpc, remotePath, type RemoteOrigin } from './remote-origin.ts';
import { parseJson } from '../http/parse-json.ts';

export interface RemoteLook extends Capacity {
  readonly state: 'ready' | 'unready' | 'unreachable' | 'refused';
  readonly message?: string;
}

const lookMs = 5_000;
/** Nobody's health page is larger; a stream without end is cut here. */
const maxBytes = 4 * 1024 * 1024;

/** `withCapacity`: ask for its capacity too when it is ready. Never throws. */
export async function lookAtRemote(
  origin: RemoteOrigin,
  model: string,
  { dispatcher, withCapacity }: { readonly dispatcher: Dispatcher; readonly withCapacity: boolean },
): Promise<RemoteLook> {
  const { capacity, extensions, hasWorkers, ...kind } = remoteKinds[origin.engine];
  const ready = origin.healthPath === undefined ? kind.ready : health(origin.healthPath);
  const ask = async (path: string, port?: number) => {
    // undici reads http URLs only; where it goes is the dispatcher's business.
    const base = origin.url.replace(/^grpc/, 'http');
    const url = new URL(remotePath(base, path), base);
    if (port !== undefined) url.port = String(port);
    const { statusCode, body } = await request(url, {
      dispatcher,
      headersTimeout: lookMs,
      bodyTimeout: lookMs,
      headers: {
        accept: 'application/json',
        ...(origin.bearer === undefined ? {} : { authorization: `Bearer ${origin.bearer}` }),
      },
    });
    return { status: statusCode, json: parsed(await limited(body)) };
  };
  try {
    const said = await ask(ready.path(model));
    if (said.status === 401 || said.status === 403)
      return { state: 'refused', message: `it does not take the credentials (${said.status})` };
    if (!ready.read(said.status, said.json, model))
      return { state: 'unready', message: `not ready for ${model} (${ready.path(model)}: ${said.status})` };
    const { managementPort } = origin;
    if (hasWorkers !== undefined && managementPort !== undefined) {
      const told = await ask(hasWorkers.path(model), managementPort).catch(() => undefined);
      if (told !== undefined && !hasWorkers.read(told.status, told.json, model))
        return { state: 'unready', message: `no worker of ${model} is ready` };
    }
    const isAsked = withCapacity && (capacity?.isManagement !== true || managementPort !== undefined);
    if (!isAsked || capacity === undefined) return { state: 'ready' };
    const port = capacity.isManagement === true ? managementPort : undefined;
    const told = await ask(capacity.path(model), port).catch(() => undefined);
    const found = told?.status === 200 ? capacity.read(told.status, told.json, model) : {};
    // Over gRPC tensors are always binary.
    const known =
      extensions === undefined || isGrpc(origin)
        ? undefined
        : await ask(extensions.path(model)).catch(() => undefined);
    return { state: 'ready', ...found, ...(known && extensions?.read(known.status, known.json, model)) };
  } catch (error) {
    const { code } = error as { readonly code?: string };
    return { state: 'unreachable', message: code ?? 'it does not answer' };
  }
}

async function limited(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw Object.assign(new Error('too large'), { code: 'TOO_LARGE' });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parsed(bytes: Buffer): unknown {
  try {
    return parseJson(bytes);
  } catch {
    return undefined;
  }
}
