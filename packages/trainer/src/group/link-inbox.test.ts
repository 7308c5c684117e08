import { expect, it } from 'vitest';
import type { FrameKind } from './frame.ts';
import { LinkInbox } from './link-inbox.ts';
import { RankLostError } from './rank-lost-error.ts';

const silent = async (): Promise<RankLostError> => Promise.resolve(new RankLostError(1, 'silent'));

function openInbox(): {
  inbox: LinkInbox;
  deliver: (kind: FrameKind, channel?: number) => void;
  lost: string[];
} {
  const lost: string[] = [];
  const inbox = new LinkInbox(
    1,
    { onLost: ({ message }) => lost.push(message), entered: () => 0, onAnswer: () => undefined },
    { answer: () => undefined, onDemand: () => undefined },
  );
  const deliver = (kind: FrameKind, channel = 0): void =>
    inbox.deliver({ header: { kind, channel, number: 0, byteLength: 0 }, payload: new Uint8Array() });
  return { inbox, deliver, lost };
}

it('a farewell right behind what was waited for is no loss', async () => {
  const { inbox, deliver, lost } = openInbox();
  const received = inbox.receive(0, 60_000, silent);
  deliver('data');
  deliver('farewell');
  expect((await received).header.kind).toBe('data');
  expect(lost).toEqual([]);
});

it('a farewell while somebody still waits on any channel is one', async () => {
  const { inbox, deliver, lost } = openInbox();
  const answered = inbox.receive(0, 60_000, silent);
  const left = inbox.receive(3, 60_000, silent);
  deliver('data');
  deliver('farewell');
  await answered;
  await expect(left).rejects.toThrow('has left');
  expect(lost).toHaveLength(1);
});
