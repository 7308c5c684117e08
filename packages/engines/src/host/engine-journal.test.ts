import { describe, expect, it } from 'vitest';
import { EngineJournal } from './engine-journal.ts';

const fullQueue = { status: 429, code: 'queue_full' } as const;
const badJson = { status: 400, code: 'invalid_json' } as const;

function create() {
  const lines: string[] = [];
  const clock = { nowMs: Date.parse('2026-11-21T10:00:00.000Z') };
  const journal = new EngineJournal({ write: (line) => lines.push(line), nowMs: () => clock.nowMs });
  return { lines, clock, journal };
}

describe('the log of an engine', () => {
  it('tells when', () => {
    const { lines, journal } = create();
    journal.say('ready');
    expect(lines).toEqual(['2026-11-21T10:00:00.000Z ready']);
  });

  it('tells the first refusal of a kind at once, a flood of them once in ten seconds with its size', () => {
    const { lines, clock, journal } = create();
    for (let asked = 0; asked < 1_000; asked += 1) {
      clock.nowMs += 20;
      journal.refused(fullQueue);
    }
    journal.refused(badJson);
    journal.flush();
    expect(lines.map((line) => line.slice(25))).toEqual([
      'refused a request: 429 queue_full',
      'refused 500 more in 10 s: 429 queue_full',
      'refused a request: 400 invalid_json',
      'refused 499 more in 10.0 s: 429 queue_full',
    ]);
  });

  it('has nothing to add where everything is told', () => {
    const { lines, journal } = create();
    journal.refused(badJson);
    journal.flush();
    journal.flush();
    expect(lines).toHaveLength(1);
  });
});
