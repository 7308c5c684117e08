/** Where in the topology a gang could go: the domains of each level, and which of them are the best fit. */
import type { ClusterState } from './cluster-state.ts';
import type { RequestClass } from './request-class.ts';
import { type Domain, domainsOf } from './topology.ts';

/** So many members of one class. */
export interface ClassCount {
  requestClass: RequestClass;
  count: number;
}

export class DomainRanks {
  readonly #state: ClusterState;
  readonly #levels: readonly string[];
  readonly #domains = new Map<string, Domain[]>();

  constructor(state: ClusterState, levels: readonly string[]) {
    this.#state = state;
    this.#levels = levels;
  }

  /** Narrowest first: a smaller domain inside the wished one is better still. */
  levelsFrom(deepest: string, widest: string | null): string[] {
    const narrowFirst = ['host', ...[...this.#levels].reverse()];
    const end = widest === null ? narrowFirst.length : narrowFirst.indexOf(widest) + 1;
    return deepest === 'host' || widest !== null
      ? narrowFirst.slice(0, end)
      : narrowFirst.slice(narrowFirst.indexOf(deepest), end);
  }

  at(level: string): Domain[] {
    let domains = this.#domains.get(level);
    if (domains === undefined) {
      domains = domainsOf(this.#state, this.#levels, level);
      this.#domains.set(level, domains);
    }
    return domains;
  }

  /** Domains that could hold the gang, the tightest first; and where none can, the one that holds most of it. */
  rank(
    groups: readonly ClassCount[],
    level: string,
    skip: Uint8Array | null,
  ): { fitting: Domain[]; nearest: { domain: Domain; members: number } | null } {
    const needed = groups.reduce((sum, group) => sum + group.count, 0);
    const devices = groups.reduce(
      (sum, { requestClass, count }) => sum + count * requestClass.request.devices,
      0,
    );
    if (level === 'host' && devices > this.#state.mostDevices) return { fitting: [], nearest: null };
    const fitting: { domain: Domain; room: number }[] = [];
    let nearest: { domain: Domain; members: number } | null = null;
    for (const domain of this.at(level)) {
      let least = Infinity;
      let fits = true;
      let members = 0;
      for (const { requestClass, count } of groups) {
        let room = 0;
        for (const node of domain.nodes)
          if (skip === null || skip[node] === 0) room += Math.min(needed, requestClass.fitCount(node));
        if (room < count) fits = false;
        least = Math.min(least, room);
        members += Math.min(room, count);
      }
      if (fits) fitting.push({ domain, room: least });
      else if (members > (nearest?.members ?? 0)) nearest = { domain, members };
    }
    fitting.sort((a, b) => a.room - b.room);
    return { fitting: fitting.map(({ domain }) => domain), nearest };
  }
}
