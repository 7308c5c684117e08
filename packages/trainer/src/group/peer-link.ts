/** What a mesh needs of a link to another rank, whatever it is made of. */
import type { ArrivalPlace } from './arrival-place.ts';
import type { FrameKind } from './frame.ts';
import type { Frame } from './frame-reader.ts';
import type { RankLostError } from './rank-lost-error.ts';

export interface AbortNotice {
  readonly rank: number;
  readonly exitCode: number;
  readonly message: string;
}

export interface LinkEvents {
  onLost(error: RankLostError): void;
  /** How many collectives this rank has entered on a channel. */
  entered(channel: number): number;
  onAnswer(peer: number, channel: number, entered: number): void;
}

export interface PeerLink {
  /** Rank at the other end. */
  readonly peer: number;
  /**
   * Resolves when the caller may change the bytes. That may be when the other has used them, unless `isKept`: then
   * it does not wait for the other.
   */
  send(
    kind: FrameKind,
    channel: number,
    number: number,
    payload: Uint8Array,
    isKept?: boolean,
  ): Promise<void>;
  /** The next data frame of a channel; `onSilence` names the missing rank when nothing comes in time. */
  receive(channel: number, timeoutMs: number, onSilence: () => Promise<RankLostError>): Promise<Frame>;
  /**
   * Where the payload of a message to come shall go, for links that read it piece by piece; `receive` answers it as
   * placed, unless it had begun to come.
   */
  expect?(channel: number, number: number, place: ArrivalPlace): void;
  /** It was not placed. */
  forget?(channel: number, number: number): void;
  /** Gives back what `receive` gave. */
  recycle(payload: Uint8Array): void;
  fail(error: RankLostError): void;
  /** Lets what was sent leave, then ends; the peer's silence is no loss from here on. */
  close(): Promise<void>;
}
