/** What an engine was last told of its nodes; telling it the same again would make it break every tie anew. */
import type { Row } from '@gantry/ports';
import type { NodeLive } from '@gantry/scheduling';

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
      if (told !== undefined) byId.set(id, told);
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
