/** What a watch of Gantry's own API tells, its data read. */
import { eventFrames } from './event-frames.ts';

export interface ServerEvent {
  readonly event: string;
  readonly id: string | undefined;
  readonly data: unknown;
}

export async function* parseServerEvents(bytes: AsyncIterable<Uint8Array>): AsyncIterable<ServerEvent> {
  for await (const frame of eventFrames(bytes)) yield { ...frame, data: JSON.parse(frame.data) as unknown };
}
