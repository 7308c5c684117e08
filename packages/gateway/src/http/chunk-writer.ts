/**
 * Pieces of an answer on their way to a client. Node's response sends a chunk as four pieces of a vectored write; where
 * the answer is chunked and has the connection to itself, the chunk goes to the socket framed already, in one piece.
 */
import { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { corkForTurn } from './cork-for-turn.ts';
import type { GatewayResponse } from './wire.ts';

const cr = 0x0d;
const lf = 0x0a;

export class ChunkWriter {
  readonly #response: GatewayResponse;
  /** The head leaves with the first piece. */
  #isBegun = false;

  constructor(response: GatewayResponse) {
    this.#response = response;
  }

  /** False where the client reads more slowly than this; `onceDrained` tells when it has caught up. */
  write(piece: Buffer): boolean {
    const socket = this.#ownSocket();
    this.#isBegun = true;
    if (socket === undefined) return this.#response.write(piece);
    corkForTurn(socket);
    return socket.write(framed(piece));
  }

  onceDrained(listener: () => void): void {
    (this.#ownSocket() ?? this.#response).once('drain', listener);
  }

  /** Undefined before the first piece, and where the answer is not chunked or no connection's. */
  #ownSocket(): Socket | undefined {
    const response = this.#response;
    if (!this.#isBegun || !(response instanceof ServerResponse) || !response.chunkedEncoding)
      return undefined;
    const { socket } = response;
    return socket === null || response.writableEnded || socket.destroyed ? undefined : socket;
  }
}

/** RFC 9112 §7.1: the length in hexadecimal digits, and line ends around the piece. */
function framed(piece: Buffer): Buffer {
  const length = piece.length.toString(16);
  const bytes = Buffer.allocUnsafe(length.length + piece.length + 4);
  let at = bytes.write(length, 0, 'latin1');
  bytes[at++] = cr;
  bytes[at++] = lf;
  at += piece.copy(bytes, at);
  bytes[at++] = cr;
  bytes[at] = lf;
  return bytes;
}
