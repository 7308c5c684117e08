/** One rank of all-reduce.ts as a thread: sums once for each message, and checks the sum. */
import { parentPort, workerData } from 'node:worker_threads';
import { joinWorld, type ThreadMeeting } from '../../packages/trainer/src/group/index.ts';

export interface ThreadOrders {
  readonly meeting: ThreadMeeting;
  readonly rank: number;
  readonly elements: number;
}

const { meeting, rank, elements } = workerData as ThreadOrders;
const world = await joinWorld({
  rank,
  worldSize: meeting.size,
  transport: { kind: 'threads', meeting },
});
const values = world.arena.floats(elements);
parentPort?.on('message', (order: string) => {
  void (order === 'sum' ? sum() : leave());
});
parentPort?.postMessage(0);

async function sum(): Promise<void> {
  values.fill(world.index + 1);
  await world.barrier();
  const started = performance.now();
  await world.allReduceSum(values);
  const ms = performance.now() - started;
  const expected = (world.size * (world.size + 1)) / 2;
  if (!values.every((value) => value === expected)) throw new Error('the sum is wrong');
  parentPort?.postMessage(ms);
}

async function leave(): Promise<void> {
  parentPort?.close();
  await world[Symbol.asyncDispose]();
}
