/** What an engine was last told of its nodes; telling it the same again would make it break every tie anew. */
import type { Row } from '@gantry/ports';
import type { NodeLive } from '@gantry/scheduling';

/** The planner compares in quarters (tie-order): what moved by less is no news. */
const STEPS = 4;
const inSteps = (part: number): number => Math.floor(part * STEPS) / STEPS;

export class LiveBook {
  #told = '[]';

  /** By id what `live` says by name; null when the engine knows that. */
  news(
    live: ReadonlyMap<string, NodeLive>,
    nodes: ReadonlyMap<string, Row>,
  ): ReadonlyMap<string, NodeLive> | null {
    const byId = new Map<string, NodeLive>();
    for (const [id, { name }] of nodes) {
      const told = live.get(name);
      if (told !== undefined) byId.set(id, coarse(told));
    }
    const text = JSON.stringify([...byId]);
    if (text === this.#told) return null;
    this.#told = text;
    return byId;
  }

  /** A new engine knows nothing. */
  forget(): void {
    this.#told = '[]';
  }
}

const coarse = ({ load, diskFree, networkFree, ...rest }: NodeLive): NodeLive => ({
  ...rest,
  ...(load === undefined ? {} : { load: inSteps(load) }),
  ...(diskFree === undefined ? {} : { diskFree: inSteps(diskFree) }),
  ...(networkFree === undefined ? {} : { networkFree: inSteps(networkFree) }),
});
