/** One rank of all-reduce.ts: joins, then sums once for each line it reads, and checks the sum. */
import { createInterface } from 'node:readline';
import { joinWorld } from '../../packages/trainer/src/group/index.ts';

const [rank, worldSize, directory, elements] = process.argv.slice(2);
const size = Number(worldSize);
await using world = await joinWorld({
  rank: Number(rank),
  worldSize: size,
  transport: { kind: 'unix', directory: String(directory) },
});
const values = world.arena.floats(Number(elements));
const tell = (line: object): boolean => process.stdout.write(`${JSON.stringify(line)}\n`);
tell({ rank: world.index });
for await (const _ of createInterface(process.stdin)) {
  values.fill(world.index + 1);
  await world.barrier();
  const started = performance.now();
  await world.allReduceSum(values);
  const ms = performance.now() - started;
  const sum = (size * (size + 1)) / 2;
  if (!values.every((value) => value === sum)) throw new Error('the sum is wrong');
  tell({ ms });
}
