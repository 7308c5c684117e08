/**
 * Jobs onto device models so that the sum of their speeds is as large as prices can make it: a model
 * that too many want becomes dearer until the others are worth it. In the given order jobs then take
 * what is best for them at those prices among what is left.
 */
const PRICE_ROUNDS = 60;

export interface ModelSpeeds<T> {
  devices: (item: T) => number;
  /** 1 = as on the mean of all models; 0 = it cannot run there. */
  speedOn: (item: T, model: string) => number;
}

/** `cluster`: devices by model. Who finds no room is not in the answer. */
export function assignModels<T>(
  order: readonly T[],
  cluster: ReadonlyMap<string, number>,
  { devices, speedOn }: ModelSpeeds<T>,
): Map<T, string> {
  const models = [...cluster.keys()];
  let room = [...cluster.values()].reduce((sum, count) => sum + count, 0);
  const chosen: T[] = [];
  for (const job of order) {
    if (devices(job) > room) continue;
    room -= devices(job);
    chosen.push(job);
  }
  const prices = new Map(models.map((model) => [model, 0]));
  const bestOf = (job: T, isFree: (model: string) => boolean): string | null => {
    let best: string | null = null;
    let most = -Infinity;
    for (const model of models) {
      const speed = speedOn(job, model);
      if (speed === 0 || !isFree(model) || speed - prices.get(model)! <= most) continue;
      most = speed - prices.get(model)!;
      best = model;
    }
    return best;
  };
  for (let round = 0; round < PRICE_ROUNDS; round++) {
    const asked = new Map(models.map((model) => [model, 0]));
    for (const job of chosen) {
      const model = bestOf(job, () => true);
      if (model !== null) asked.set(model, asked.get(model)! + devices(job));
    }
    const step = 0.5 / (1 + round / 4);
    for (const [model, count] of cluster) {
      const excess = asked.get(model)! / Math.max(1, count) - 1;
      prices.set(model, Math.max(0, prices.get(model)! + step * Math.max(-1, Math.min(1, excess))));
    }
  }
  const free = new Map(cluster);
  const result = new Map<T, string>();
  for (const job of [...chosen, ...order.filter((each) => !chosen.includes(each))]) {
    const model = bestOf(job, (each) => free.get(each)! >= devices(job));
    if (model === null) continue;
    free.set(model, free.get(model)! - devices(job));
    result.set(job, model);
  }
  return result;
}
