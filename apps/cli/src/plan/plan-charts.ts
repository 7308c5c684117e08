/** Pictures of a plan: bars of parts, and every layout by the memory it takes and the time it needs. */
import { escapeHtml } from '../html-page.ts';

/** Named numbers in the order in which they are drawn. */
export interface PartedBar {
  readonly name: string;
  readonly parts: Readonly<Record<string, number>>;
}

export interface Dot {
  readonly name: string;
  readonly bytes: number;
  readonly seconds: number;
  readonly kind: 'best' | 'fits' | 'over';
}

const width = 900;
const nameWidth = 350;
const barHeight = 18;
const rowHeight = 26;
const colours = 8;

/** A row for each bar; a dashed line where `limit` is. */
export function partedBars(
  bars: readonly PartedBar[],
  format: (value: number) => string,
  limit?: number,
): string {
  const names = [...new Set(bars.flatMap(({ parts }) => Object.keys(parts)))].filter((name) =>
    bars.some(({ parts }) => (parts[name] ?? 0) > 0),
  );
  const totalOf = ({ parts }: PartedBar): number => names.reduce((sum, name) => sum + (parts[name] ?? 0), 0);
  const largest = Math.max(...bars.map(totalOf));
  const shown = within(limit, largest);
  const scale = (width - nameWidth - 90) / Math.max(largest, shown ?? 0);
  const rows = bars.flatMap((bar, row) => {
    const y = 6 + row * rowHeight;
    let x = nameWidth;
    const rects = names.map((name, index) => {
      const value = bar.parts[name] ?? 0;
      const rect = `<rect class="bar c${index % colours}" x="${round(x)}" y="${y}" width="${round(value * scale)}" height="${barHeight}"><title>${escapeHtml(`${name}: ${format(value)}`)}</title></rect>`;
      x += value * scale;
      return rect;
    });
    return [
      `<text class="name" x="0" y="${y + 13}">${escapeHtml(bar.name)}</text>`,
      ...rects,
      `<text class="tick" x="${round(x + 6)}" y="${y + 13}">${escapeHtml(format(totalOf(bar)))}</text>`,
    ];
  });
  const height = 12 + bars.length * rowHeight;
  const line = shown === undefined ? [] : [limitLine(nameWidth + shown * scale, 0, height)];
  const legend = names
    .map((name, index) => `<span><i class="c${index % colours}"></i>${escapeHtml(name)}</span>`)
    .join('');
  return `<svg viewBox="0 0 ${width} ${height}" role="img">${[...rows, ...line].join('')}</svg><p class="legend">${legend}</p>`;
}

const limitLine = (x: number, top: number, bottom: number): string =>
  `<line class="limit" x1="${round(x)}" x2="${round(x)}" y1="${top}" y2="${bottom}"><title>usable</title></line>`;

/** A limit far beyond everything would leave the rest no room. */
const within = (limit: number | undefined, largest: number): number | undefined =>
  limit !== undefined && limit < 3 * largest ? limit : undefined;

const plot = { left: 70, right: 20, top: 10, bottom: 34, height: 300 } as const;

/** Memory to the right, time upwards, both by powers: the quickest that fits is the lowest left of the line. */
export function scatter(
  dots: readonly Dot[],
  format: { readonly bytes: (value: number) => string; readonly seconds: (value: number) => string },
  limit: number,
): string {
  const bytes = dots.map((dot) => dot.bytes);
  const shown = within(limit, Math.max(...bytes));
  const x = logScale(shown === undefined ? bytes : [...bytes, shown], plot.left, width - plot.right);
  const y = logScale(
    dots.map(({ seconds }) => seconds),
    plot.height - plot.bottom,
    plot.top,
  );
  const order = { over: 0, fits: 1, best: 2 } as const;
  const marks = dots
    .toSorted((one, other) => order[one.kind] - order[other.kind])
    .map(
      ({ name, bytes, seconds, kind }) =>
        `<circle class="dot ${kind}" cx="${round(x.at(bytes))}" cy="${round(y.at(seconds))}" r="${kind === 'best' ? 7 : 4}"><title>${escapeHtml(`${name}: ${format.seconds(seconds)}, ${format.bytes(bytes)}`)}</title></circle>`,
    );
  const axes = [
    ...x.ticks.map(
      (value) =>
        `<text class="tick" text-anchor="middle" x="${round(x.at(value))}" y="${plot.height - 14}">${escapeHtml(format.bytes(value))}</text>`,
    ),
    ...y.ticks.flatMap((value) => [
      `<line class="grid" x1="${plot.left}" x2="${width - plot.right}" y1="${round(y.at(value))}" y2="${round(y.at(value))}"/>`,
      `<text class="tick" text-anchor="end" x="${plot.left - 6}" y="${round(y.at(value) + 4)}">${escapeHtml(format.seconds(value))}</text>`,
    ]),
  ];
  const line = shown === undefined ? [] : [limitLine(x.at(shown), plot.top, plot.height - plot.bottom)];
  return `<svg viewBox="0 0 ${width} ${plot.height}" role="img">${[...axes, ...line, ...marks].join('')}</svg>`;
}

interface Scale {
  readonly at: (value: number) => number;
  readonly ticks: readonly number[];
}

function logScale(values: readonly number[], from: number, to: number): Scale {
  const [low, high] = [Math.log(Math.min(...values) * 0.9), Math.log(Math.max(...values) * 1.1)];
  return {
    at: (value) => from + ((Math.log(value) - low) / (high - low)) * (to - from),
    ticks: [0.08, 0.36, 0.64, 0.92].map((share) => Math.exp(low + share * (high - low))),
  };
}

const round = (value: number): string => String(Math.round(value * 10) / 10);
