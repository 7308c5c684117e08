/**
 * vLLM or SGLang as far as a platform sees them, for tests: reads the flags of either, waits until its ranks have met
 * at the leader's address, and serves `/health` and completions from the first. A rank that loses the others ends.
 * `node sharded-double.ts serve MODEL …` speaks vLLM's flags, without `serve` it speaks SGLang's.
 */
import { createServer as createHttp } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { parseArgs } from 'node:util';
import { json } from 'node:stream/consumers';

const words = process.argv.slice(2);
const isVllm = words[0] === 'serve';
const text = { type: 'string' } as const;
const { values } = parseArgs({
  args: isVllm ? words.slice(2) : words,
  strict: true,
  options: isVllm
    ? {
        'served-model-name': text,
        'tensor-parallel-size': text,
        'pipeline-parallel-size': text,
        'distributed-executor-backend': text,
        nnodes: text,
        'node-rank': text,
        'master-addr': text,
        'master-port': text,
        'max-num-seqs': text,
        'max-model-len': text,
        'enable-prompt-tokens-details': { type: 'boolean' },
        host: text,
        port: text,
        headless: { type: 'boolean' },
      }
    : {
        'model-path': text,
        'served-model-name': text,
        'tp-size': text,
        'pp-size': text,
        nnodes: text,
        'node-rank': text,
        'dist-init-addr': text,
        'max-running-requests': text,
        'context-length': text,
        'enable-cache-report': { type: 'boolean' },
        host: text,
        port: text,
        device: text,
      },
});
const flags = values as Readonly<Record<string, string | boolean | undefined>>;
const numberOf = (name: string, otherwise: number): number => Number(flags[name] ?? otherwise);
const ranks = numberOf('nnodes', 1);
const rank = numberOf('node-rank', 0);
const devices = isVllm
  ? numberOf('tensor-parallel-size', 1) * numberOf('pipeline-parallel-size', 1)
  : numberOf('tp-size', 1) * numberOf('pp-size', 1);
const [address = '127.0.0.1', meetingPort = '0'] = isVllm
  ? [String(flags['master-addr'] ?? '127.0.0.1'), String(flags['master-port'] ?? '0')]
  : String(flags['dist-init-addr'] ?? '127.0.0.1:0').split(':');

process.stderr.write(`rank ${rank} of ${ranks}, ${devices / ranks} devices, meets at ${address}\n`);
process.on('SIGTERM', () => process.exit(0));

/** Resolves on the first rank when all others are there. */
async function meet(): Promise<void> {
  if (ranks === 1) return;
  const others = new Set<Socket>();
  await new Promise<void>((resolve) => {
    createServer((socket) => {
      others.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => process.exit(1));
      if (others.size === ranks - 1) resolve();
    }).listen(Number(meetingPort), address);
  });
}

function join(): void {
  const socket = connect(Number(meetingPort), address);
  socket.on('connect', () => socket.on('close', () => process.exit(1)));
  // The first is not there yet.
  socket.on('error', () => setTimeout(join, 50));
}

if (rank === 0) {
  await meet();
  createHttp((request, response) => {
    if (request.url === '/health') return void response.end();
    void json(request).then((body) => {
      const { model, prompt } = body as { readonly model: string; readonly prompt?: string };
      const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
      const choices = [{ index: 0, text: `${model} on ${devices}`, finish_reason: 'stop' }];
      const answer = JSON.stringify({ object: 'text_completion', choices, usage });
      response.setHeader('content-type', 'application/json');
      setTimeout(() => response.end(answer), prompt === 'slow' ? 1_000 : 0);
    });
  }).listen(numberOf('port', 0), String(flags['host']));
} else join();
