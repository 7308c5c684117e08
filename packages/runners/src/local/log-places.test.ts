import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { beginOfLastLines } from './last-lines.ts';
import { byteAt, createLogClock } from './log-clock.ts';

const dir = mkdtempSync(join(tmpdir(), 'gantry-log-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe('the clock of a log', () => {
  const noted = (name: string, ...notes: readonly (readonly [number, number])[]): string => {
    const file = join(dir, name);
    const clock = createLogClock(file);
    for (const [nowMs, stdout] of notes) clock.note(nowMs, { stdout, stderr: 7 });
    return file;
  };

  it('finds what was written since a moment, rather a little more than less', () => {
    const file = noted('plain', [1_000, 10], [2_000, 30], [5_000, 90]);
    const from = [0, 1_000, 1_500, 2_000, 4_999, 5_000, 5_001].map((atMs) => byteAt(file, 'stdout', atMs));
    expect(from).toEqual([0, 0, 10, 10, 30, 30, 90]);
  });

  it('keeps the streams apart', () => {
    const file = noted('streams', [1_000, 10], [2_000, 30]);
    expect([byteAt(file, 'stdout', 3_000), byteAt(file, 'stderr', 3_000)]).toEqual([30, 7]);
  });

  it('starts where the middle was dropped when the moment lay in it', () => {
    const file = noted('dropped', [1_000, 100], [2_000, 800], [2_100, 250], [3_100, 400]);
    expect([500, 1_500, 2_050, 2_200, 3_200].map((atMs) => byteAt(file, 'stdout', atMs))).toEqual([
      0, 100, 250, 250, 400,
    ]);
  });

  it('notes once a second while the log grows, not at all while it is silent, and more coarsely in the end', () => {
    const file = join(dir, 'long');
    const clock = createLogClock(file);
    for (let second = 0; second < 30_000; second += 0.25)
      clock.note(second * 1_000, { stdout: Math.floor(second * 10), stderr: 0 });
    const exact = byteAt(file, 'stdout', 5_000_000);
    expect(exact).toBeGreaterThanOrEqual(49_980);
    expect(exact).toBeLessThanOrEqual(50_000);
    const late = byteAt(file, 'stdout', 25_000_000);
    expect(late).toBeGreaterThan(249_000);
    expect(late).toBeLessThanOrEqual(250_000);
  });

  it('of a worker without notes tells everything', () =>
    expect(byteAt(join(dir, 'none'), 'stdout', 1)).toBe(0));
});

describe('the last lines', () => {
  it('are those that splitting the whole text gives', () => {
    const file = join(dir, 'lines');
    const text = fc.array(fc.constantFrom('a', 'bb', '\n', '\n\n', 'x'.repeat(70_000)), { maxLength: 12 });
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 6 }), (parts, lines) => {
        const whole = parts.join('');
        writeFileSync(file, whole);
        const all = whole.split(/(?<=\n)/);
        const begin = beginOfLastLines(file, whole.length, lines);
        expect(whole.slice(begin)).toBe(whole === '' ? '' : all.slice(-lines).join(''));
      }),
      { numRuns: 200, seed: 5 },
    );
  });
});
