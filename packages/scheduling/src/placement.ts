/**
 * Puts a gang on nodes: all of its minimum or nothing. One member at a time on the best node of
 * its class; with a topology wish inside the smallest domain that has room, best-fit domain first.
 */
import { ClassTable } from './class-table.ts';
import type { ClusterState } from './cluster-state.ts';
import { DomainRanks } from './domain-ranks.ts';
import type { RequestClass } from './request-class.ts';
import { deviceTake, pickDevices } from './pick-devices.ts';
import type { Scorer } from './scorers.ts';
import { DEFAULT_TOPOLOGY_LEVELS, type TaskGroup, type Workload } from './snapshot.ts';
import type { PlacedMember, Statement } from './statement.ts';
import { ISLAND, islandsOn, type Seat, seatSlices, seatsOn } from './slices.ts';
import type { Domain } from './topology.ts';

export type PlaceFailure =
  | { kind: 'group'; group: TaskGroup; requestClass: RequestClass; placedMembers: number }
  | {
      kind: 'topology';
      level: string;
      bestDomain: string | null;
      fittingMembers: number;
      requestedMembers: number;
    }
  | { kind: 'slices'; level: string; size: number; fittingSlices: number; requestedSlices: number };

export type PlaceOutcome = { ok: true; members: PlacedMember[] } | { ok: false; failure: PlaceFailure };

export interface PlaceRules {
  /** Nodes that may not be used (a reservation). */
  skip?: Uint8Array | null;
}

export class Placer {
  readonly state: ClusterState;
  readonly statement: Statement;
  readonly #scorer: Scorer;
  readonly #ranks: DomainRanks;
  readonly classes: ClassTable;

  constructor(
    state: ClusterState,
    statement: Statement,
    scorer: Scorer,
    options: { levels?: readonly string[] | undefined; tieRank?: Int32Array | null } = {},
  ) {
    this.state = state;
    this.statement = statement;
    this.#scorer = scorer;
    this.classes = new ClassTable(state, scorer, options.tieRank ?? null);
    this.#ranks = new DomainRanks(state, options.levels ?? DEFAULT_TOPOLOGY_LEVELS);
  }

  classOf(group: TaskGroup, workload: Workload): RequestClass {
    return this.classes.of(group, workload);
  }

  /** On success the capacity is taken (not yet charged to a queue); on failure nothing changed. */
  place(
    workload: Workload,
    rules: PlaceRules = {},
    counts: (group: TaskGroup) => number = (group) => group.minCount,
  ): PlaceOutcome {
    const wish = workload.topology;
    if (wish === undefined) return this.#placeWithin(workload, counts, null, rules.skip ?? null);
    const deepest = wish.mode === 'required' ? wish.level : 'host';
    const levels = this.#ranks.levelsFrom(deepest, wish.mode === 'required' ? wish.level : null);
    let best: { level: string; domain: string | null; fitting: number } = {
      level: wish.level,
      domain: null,
      fitting: 0,
    };
    const groups = workload.taskGroups.map((group) => ({
      requestClass: this.classOf(group, workload),
      count: counts(group),
    }));
    const needed = groups.reduce((sum, { count }) => sum + count, 0);
    let torn: PlaceFailure | null = null;
    for (const level of levels) {
      const { fitting, nearest } = this.#ranks.rank(groups, level, rules.skip ?? null);
      for (const domain of fitting) {
        const outcome = this.#placeWithin(workload, counts, domain, rules.skip ?? null);
        if (outcome.ok) return outcome;
        if (outcome.failure.kind === 'slices') torn = outcome.failure;
        // Each group fits, but not all of them at once.
        best = { level, domain: domain.name, fitting: needed };
      }
      if (nearest !== null && nearest.members > best.fitting)
        best = { level, domain: nearest.domain.name, fitting: nearest.members };
    }
    if (wish.mode === 'preferred') return this.#placeWithin(workload, counts, null, rules.skip ?? null);
    // There is a domain with room for all, and it is the slices that do not find theirs in it.
    if (torn !== null) return { ok: false, failure: torn };
    return {
      ok: false,
      failure: {
        kind: 'topology',
        level: wish.level,
        bestDomain: best.domain,
        fittingMembers: best.fitting,
        requestedMembers: needed,
      },
    };
  }

  #placeWithin(
    workload: Workload,
    counts: (group: TaskGroup) => number,
    domain: Domain | null,
    skip: Uint8Array | null,
  ): PlaceOutcome {
    const mark = this.statement.checkpoint();
    const members: PlacedMember[] = [];
    // Large members first: a small one never takes the place a large one needs.
    const groups =
      workload.taskGroups.length === 1
        ? workload.taskGroups
        : [...workload.taskGroups].sort((a, b) => size(b) - size(a));
    for (const group of groups) {
      const requestClass = this.classOf(group, workload);
      const count = counts(group);
      const seats = this.#seats(workload, requestClass, count, domain, skip);
      if (seats !== null && 'failure' in seats) {
        this.statement.rollback(mark);
        return { ok: false, failure: seats.failure };
      }
      const nodes = seats !== null || domain === null ? null : this.#fullestFirst(domain, requestClass, skip);
      let cursor = 0;
      for (let index = 0; index < count; index++) {
        let node: number | null;
        const seat = seats?.[index];
        if (seat !== undefined) node = seat.node;
        else if (nodes === null) node = requestClass.best(skip);
        else {
          while (cursor < nodes.length && !requestClass.fits(nodes[cursor]!)) cursor++;
          node = nodes[cursor] ?? null;
        }
        if (node === null) {
          this.statement.rollback(mark);
          return { ok: false, failure: { kind: 'group', group, requestClass, placedMembers: index } };
        }
        const member = this.#toMember(requestClass, group.name, index, node, seat?.island);
        this.statement.take(member);
        members.push(member);
      }
    }
    return { ok: true, members };
  }

  /** Where the members of a gang in slices sit; null for one without. */
  #seats(
    { slices }: Workload,
    requestClass: RequestClass,
    count: number,
    domain: Domain | null,
    skip: Uint8Array | null,
  ): readonly Seat[] | { failure: PlaceFailure } | null {
    if (slices === undefined) return null;
    const { level, size } = slices;
    const inside = domain === null ? null : new Set(domain.nodes);
    const spots = this.#ranks.at(level === ISLAND ? 'host' : level).flatMap(({ nodes: all }) => {
      const nodes = inside === null ? all : all.filter((node) => inside.has(node));
      if (level !== ISLAND) return [seatsOn(nodes, requestClass, skip)];
      return nodes.flatMap((node) => (skip?.[node] === 1 ? [] : islandsOn(this.state, node, requestClass)));
    });
    const found = seatSlices(spots, size, count);
    if ('seats' in found) return found.seats;
    const requestedSlices = Math.ceil(count / size);
    return { failure: { kind: 'slices', level, size, fittingSlices: found.slices, requestedSlices } };
  }

  /** Takes one more member on the best node that `skip` leaves; null when there is no room. */
  takeOne(
    requestClass: RequestClass,
    group: string,
    index: number,
    skip: Uint8Array | null,
  ): PlacedMember | null {
    const node = requestClass.best(skip);
    if (node === null) return null;
    const member = this.#toMember(requestClass, group, index, node);
    this.statement.take(member);
    return member;
  }

  /** Everything outside the domain that a required topology binds the members to, and what `skip` names. */
  outsideDomain(
    { topology }: Workload,
    members: readonly PlacedMember[],
    skip: Uint8Array | null,
  ): Uint8Array | null {
    const first = members[0];
    if (topology?.mode !== 'required' || first === undefined) return skip;
    const inside = this.#ranks.at(topology.level).find(({ nodes }) => nodes.includes(first.node));
    const outside = new Uint8Array(this.state.nodes.length).fill(1);
    for (const node of inside?.nodes ?? []) outside[node] = skip?.[node] ?? 0;
    return outside;
  }

  #fullestFirst(domain: Domain, requestClass: RequestClass, skip: Uint8Array | null): number[] {
    const usable = domain.nodes.filter(
      (node) => (skip === null || skip[node] === 0) && requestClass.fits(node),
    );
    const room = new Map(usable.map((node) => [node, requestClass.fitCount(node)]));
    // Most room first concentrates the gang on few nodes.
    return usable.sort(
      (a, b) => room.get(b)! - room.get(a)! || requestClass.tieOf(a) - requestClass.tieOf(b),
    );
  }

  #toMember(
    requestClass: RequestClass,
    group: string,
    index: number,
    node: number,
    island?: string | null,
  ): PlacedMember {
    const { request } = requestClass;
    const devices = pickDevices(this.state, this.#scorer, requestClass, node, island ?? null);
    return {
      group,
      index,
      node,
      devices,
      ...deviceTake(this.state, request, devices[0]),
      cpuMilli: request.cpuMilli,
      memoryBytes: request.memoryBytes,
      storageBytes: request.storageBytes,
    };
  }
}

function size(group: TaskGroup): number {
  return group.request.devices * 1000 + group.request.deviceMilli + group.request.cpuMilli / 1e6;
}
