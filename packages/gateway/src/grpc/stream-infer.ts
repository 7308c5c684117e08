/**
 * One request over Triton's `ModelStreamInfer`, its answers as server-sent events: what a decoupled model says, as it
 * comes. The names of broken calls are undici's, as for calls that do not stream.
 */
import type { ClientDuplexStream, ServiceError } from '@grpc/grpc-js';
import type { InferAnswer, WantsBinary } from './rest-infer.ts';
import { toEventData } from './rest-infer.ts';

export interface StreamedAnswer {
  readonly error_message: string;
  readonly infer_response: InferAnswer | null;
}

export type InferCall = ClientDuplexStream<object, StreamedAnswer>;

export interface StreamListener {
  /** Before the first event. */
  begin(): void;
  event(frame: Buffer): void;
  end(): void;
  /** Nothing was said before; `refusal` is the server's own. */
  refuse(refusal: ServiceError | string): void;
  /** In the middle. */
  interrupt(reason: string): void;
}

export function followInfer(
  call: InferCall,
  message: object,
  wantsBinary: WantsBinary,
  listener: StreamListener,
): void {
  let isBegun = false;
  let isOver = false;
  const over = (act: () => void): void => {
    if (isOver) return;
    isOver = true;
    act();
  };
  call.on('data', ({ error_message: problem, infer_response: answer }: StreamedAnswer) => {
    if (isOver) return;
    const data = problem === '' && answer !== null ? toEventData(answer, wantsBinary) : undefined;
    if (data === undefined) {
      const reason = problem === '' ? 'An output has no JSON: ask for binary.' : problem;
      over(() => (isBegun ? listener.interrupt(reason) : listener.refuse(reason)));
      call.cancel();
      return;
    }
    if (!isBegun) listener.begin();
    isBegun = true;
    listener.event(toFrame(data));
  });
  call.on('end', () =>
    over(() => {
      if (!isBegun) {
        listener.begin();
        // No answer is an answer too: an empty stream would look like one that broke.
        listener.event(Buffer.from(':\n\n'));
      }
      listener.end();
    }),
  );
  call.on('error', (error: ServiceError) =>
    over(() => (isBegun ? listener.interrupt(error.details) : listener.refuse(error))),
  );
  call.write(message);
  call.end();
}

export const toFrame = (data: object): Buffer => Buffer.from(`data: ${JSON.stringify(data)}\n\n`);
