/** Opens streams on raw sockets and reports, as one line of JSON, what came, what was late, and its own processor time. */
import { connect } from 'node:net';
import { requestBytes } from './closed-loop.ts';

const [, , portText = '0', streamsText = '1', deltasText = '64'] = process.argv;
const streams = Number(streamsText);
const deltas = Number(deltasText);
const bytes = requestBytes({
  port: 0,
  headers: { authorization: 'Bearer sk-bench' },
  body: JSON.stringify({ model: 'chat', messages: [{ role: 'user', content: 'go on' }], stream: true }),
});
const nowMs = (): number => performance.timeOrigin + performance.now();
const stamp = / @([\d.]+)@/g;
const lateMs: number[] = [];
let complete = 0;
let usageSeen = 0;

const one = (): Promise<void> =>
  new Promise((resolve) => {
    const socket = connect(Number(portText), '127.0.0.1');
    let seen = 0;
    let rest = '';
    socket.setNoDelay(true);
    socket.on('connect', () => socket.write(bytes));
    socket.on('error', () => {
      resolve();
    });
    socket.on('close', () => {
      resolve();
    });
    socket.on('data', (chunk: Buffer) => {
      const text = rest + chunk.toString('latin1');
      let end = 0;
      for (const match of text.matchAll(stamp)) {
        seen++;
        lateMs.push(nowMs() - Number(match[1]));
        end = match.index + match[0].length;
      }
      if (text.includes('"usage":{')) usageSeen++;
      const isDone = text.includes('data: [DONE]');
      rest = text.slice(Math.max(end, text.length - 64));
      if (isDone) {
        if (seen === deltas) complete++;
        socket.end();
        resolve();
      }
    });
  });

const before = process.cpuUsage();
await Promise.all(Array.from({ length: streams }, one));
const cpu = process.cpuUsage(before);
lateMs.sort((a, b) => a - b);
console.log(
  JSON.stringify({
    complete,
    usageSeen,
    chunks: lateMs.length,
    p99LateMs: lateMs[Math.floor(lateMs.length * 0.99)] ?? null,
    worstLateMs: lateMs.at(-1) ?? null,
    clientCpuMicros: cpu.user + cpu.system,
  }),
);
