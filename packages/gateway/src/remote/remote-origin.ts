/** A model server of somebody else: where it is, what it speaks, and what it said of itself. */
import type { RemoteEngine } from '@gantry/contract';

export interface RemoteTensor {
  readonly name: string;
  readonly datatype: string;
  /** -1 for a dimension of any size, as the protocol writes it. */
  readonly shape: readonly number[];
}

export interface RemoteSignature {
  readonly inputs: readonly RemoteTensor[];
  readonly outputs: readonly RemoteTensor[];
}

export interface RemoteOrigin {
  /** With the path that stands before the dialect's own. */
  readonly url: string;
  readonly engine: RemoteEngine;
  readonly bearer?: string;
  /** It may lie in a private network: an operator connected it. */
  readonly mayBePrivate: boolean;
  readonly signature?: RemoteSignature;
  /** It takes and gives tensors as JSON, whatever its clients speak. */
  readonly isJsonOnly?: boolean;
  /** Of TorchServe: where its management API listens, on the same host. */
  readonly managementPort?: number;
  /** Answers 200 once it can serve, in place of what its kind says. */
  readonly healthPath?: string;
}

/** It speaks gRPC; its paths are those of REST all the same. */
export const isGrpc = ({ url }: RemoteOrigin): boolean => /^grpcs?:/.test(url);

export const isRemote = (origin: object): origin is RemoteOrigin => 'engine' in origin;

/** The server's own path of one of a dialect: `https://host/openai/v1` and `/v1/models` share their `/v1`. */
export function remotePath(url: string, path: string): string {
  const base = new URL(url).pathname.replace(/\/+$/, '');
  const [, version] = /^(\/v[12])(?:\/|$)/.exec(path) ?? [];
  return version !== undefined && base.endsWith(version) ? base + path.slice(version.length) : base + path;
}
