/**
 * Keeps an eye on servers of somebody else: each is looked at every few seconds, and whoever routes to them is told
 * when one of them changes. What they say of their capacity is read again each time one becomes ready.
 */
import type { EndpointConnect, RemoteServer } from '@gantry/contract';

/** How to reach one: also what the gateway sends requests to. */
export interface RemoteTarget {
  readonly url: string;
  readonly engine: EndpointConnect['engine'];
  readonly bearer?: string;
  readonly mayBePrivate: boolean;
  /** Of TorchServe. */
  readonly managementPort?: number;
  /** In place of what its kind says. */
  readonly healthPath?: string;
}

/** `facts`: what else it said of itself, for whoever routes to it. */
export interface RemoteSight extends Omit<RemoteServer, 'url'> {
  readonly facts?: object;
}

export interface RemoteWatchOptions {
  readonly targets: readonly RemoteTarget[];
  readonly signal: AbortSignal;
  look(target: RemoteTarget, withCapacity: boolean): Promise<RemoteSight>;
  wait(delayMs: number): Promise<void>;
  /** The credentials may have been changed since; undefined when nobody can tell. */
  renew(): Promise<readonly RemoteTarget[] | undefined>;
  onChange(servers: readonly SeenServer[]): Promise<void>;
}

export interface SeenServer {
  readonly target: RemoteTarget;
  readonly sight: RemoteSight;
}

const lookMs = 5_000;
/** Health pages often ask for no key: a new one is taken up after so many looks. */
const renewLooks = 12;
/** A ready server may miss so many looks: a long computation holds up an answer. */
const patience = 3;

export async function watchRemote(options: RemoteWatchOptions): Promise<void> {
  const { signal } = options;
  let targets = options.targets;
  let servers: readonly SeenServer[] = targets.map((target) => ({ target, sight: { state: 'unseen' } }));
  const missed = new Map<string, number>();
  for (let look = 1; !signal.aborted; look++) {
    const before = servers;
    servers = await Promise.all(targets.map((target, at) => lookAgain(options, target, before[at], missed)));
    if (signal.aborted) return;
    if (JSON.stringify(servers) !== JSON.stringify(before)) await options.onChange(servers);
    await options.wait(lookMs);
    const isRefused = servers.some(({ sight }) => sight.state === 'refused');
    if (isRefused || look % renewLooks === 0) targets = (await options.renew()) ?? targets;
  }
}

async function lookAgain(
  options: RemoteWatchOptions,
  target: RemoteTarget,
  before: SeenServer | undefined,
  missed: Map<string, number>,
): Promise<SeenServer> {
  const wasReady = before?.sight.state === 'ready' && before.target.bearer === target.bearer;
  const sight = await options.look(target, !wasReady);
  const misses = sight.state === 'unreachable' ? (missed.get(target.url) ?? 0) + 1 : 0;
  missed.set(target.url, misses);
  if (!wasReady) return { target, sight };
  // What it said of its capacity stays true while it stays ready.
  if (sight.state === 'ready' || (misses > 0 && misses < patience)) return { target, sight: before.sight };
  return { target, sight };
}
