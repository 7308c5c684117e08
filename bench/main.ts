/** `npm run bench -- ROOM [CASE] [--json]`: measured figures beside their bars and peers. */
import type { BenchLine } from './bench-line.ts';

type Cases = Readonly<Record<string, () => Promise<BenchLine[]>>>;

// Loaded one at a time: a room's bench may start processes and read large traces.
const ROOMS = ['spine', 'scheduling', 'training', 'serving'];

process.env['ORT_DISABLE_TELEMETRY'] ??= '1';
const args = process.argv.slice(2);
const json = args.includes('--json');
const [room, wanted] = args.filter((argument) => !argument.startsWith('--'));
if (room === undefined || !ROOMS.includes(room)) {
  process.stderr.write(`usage: npm run bench -- ${ROOMS.join('|')} [CASE] [--json]\n`);
  process.exit(2);
}
const { cases } = (await import(`./${room}/index.ts`)) as { cases: Cases };
if (wanted !== undefined && !Object.hasOwn(cases, wanted)) {
  process.stderr.write(`${room} has no case "${wanted}"; it has ${Object.keys(cases).join(', ')}\n`);
  process.exit(2);
}
let failed = 0;
for (const [name, run] of Object.entries(cases)) {
  if (wanted !== undefined && name !== wanted) continue;
  for (const line of await run()) {
    if (!line.pass) failed++;
    process.stdout.write(json ? `${JSON.stringify(toJson(line))}\n` : `${toText(line)}\n`);
  }
}
process.exitCode = failed > 0 ? 1 : 0;

/** Absent peers are null in JSON, so that every line has the same keys. */
function toJson({
  bench,
  case: name,
  ours,
  peer,
  peerName,
  better,
  ...rest
}: BenchLine): Record<string, unknown> {
  const ratio = peer === undefined ? null : better === 'less' ? peer / ours : ours / peer;
  return { bench, case: name, ours, peer: peer ?? null, peerName: peerName ?? null, ratio, ...rest };
}

function toText({ bench, case: name, ours, unit, peer, peerName, bar, pass }: BenchLine): string {
  const beside = peer === undefined ? '' : `  peer ${round(peer)} (${peerName ?? 'peer'})`;
  return `${pass ? 'ok  ' : 'MISS'} ${bench} ${name}: ${round(ours)} ${unit}${beside}  bar ${bar}`;
}

function round(value: number): number {
  return Number(value.toPrecision(5));
}
