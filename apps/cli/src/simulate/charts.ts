/** Small SVG charts as text: no script, nothing fetched, readable in light and dark. */
import { escapeHtml } from '../html-page.ts';
import { type AxisUnit, type ValueAxis, timeTicks, valueAxis } from './axes.ts';

export interface Series {
  readonly name: string;
  /** One value a column; columns are `columnSeconds` wide. */
  readonly values: readonly number[];
  readonly columnSeconds: number;
}

const [width, height, left, right, top, bottom] = [900, 260, 64, 12, 12, 28];
const plotWidth = width - left - right;
const plotHeight = height - top - bottom;
/** Points of a line through quantiles. */
const quantiles = 200;

/** Lines over time, all on one scale. */
export function lineChart(series: readonly Series[], unit: AxisUnit): string {
  const seconds = spanSeconds(series);
  const axis = valueAxis(Math.max(...series.flatMap(({ values }) => values)), unit);
  const { most } = axis;
  const lines = series.map(({ name, values, columnSeconds }, index) => {
    const points = values.map(
      (value, column) =>
        `${round(left + (plotWidth * (column + 0.5) * columnSeconds) / seconds)},${round(top + plotHeight * (1 - value / most))}`,
    );
    return `<polyline class="line c${index % 6}" points="${points.join(' ')}"><title>${escapeHtml(name)}</title></polyline>`;
  });
  const legends = series.map(({ name }) => name);
  return `${svg([...yAxis(axis), ...timeAxis(seconds), ...lines])}${legend(legends)}`;
}

/** Values by the share of them that are no larger: the further right, the rarer. */
export function quantileChart(
  series: readonly { readonly name: string; readonly values: readonly number[] }[],
  unit: AxisUnit,
): string {
  const axis = valueAxis(Math.max(...series.flatMap(({ values }) => values)), unit);
  const lines = series.map(({ name, values }, index) => {
    const sorted = values.toSorted((one, other) => one - other);
    const points = Array.from({ length: quantiles + 1 }, (_, step) => {
      const value = sorted[Math.round(((sorted.length - 1) * step) / quantiles)] ?? 0;
      return `${round(left + (plotWidth * step) / quantiles)},${round(top + plotHeight * (1 - value / axis.most))}`;
    });
    return `<polyline class="line c${index % 6}" points="${points.join(' ')}"><title>${escapeHtml(name)}</title></polyline>`;
  });
  const shares = [0, 25, 50, 75, 95].map(
    (percent) =>
      `<text class="tick" text-anchor="${percent === 0 ? 'start' : 'middle'}" x="${round(left + (plotWidth * percent) / 100)}" y="${height - 8}">${percent} %</text>`,
  );
  return `${svg([...yAxis(axis), ...shares, ...lines])}${legend(series.map(({ name }) => name))}`;
}

export interface BarGroup {
  readonly label: string;
  readonly values: readonly number[];
}

/** A group of bars for each label, one bar a name. */
export function barChart(names: readonly string[], groups: readonly BarGroup[], unit: AxisUnit): string {
  const axis = valueAxis(Math.max(...groups.flatMap(({ values }) => values)), unit);
  const { most } = axis;
  const groupWidth = plotWidth / Math.max(1, groups.length);
  const barWidth = Math.min(40, (groupWidth * 0.8) / Math.max(1, names.length));
  const bars = groups.flatMap(({ label, values }, group) => {
    const start = left + group * groupWidth + (groupWidth - barWidth * names.length) / 2;
    return [
      ...values.map((value, index) => {
        const tall = (plotHeight * value) / most;
        return `<rect class="bar c${index % 6}" x="${round(start + index * barWidth)}" y="${round(top + plotHeight - tall)}" width="${round(barWidth * 0.9)}" height="${round(tall)}"><title>${escapeHtml(`${names[index] ?? ''}, ${label}: ${unit.format(value)}`)}</title></rect>`;
      }),
      `<text class="tick" text-anchor="middle" x="${round(left + (group + 0.5) * groupWidth)}" y="${height - 8}">${escapeHtml(label)}</text>`,
    ];
  });
  return `${svg([...yAxis(axis), ...bars])}${legend(names)}`;
}

/** Rows of shares from 0 (idle) to 1 (full), darker is fuller; `seconds` is how long the axis is. */
export function heatMap(
  rows: readonly (readonly number[])[],
  columnSeconds: number,
  { rowNames, seconds }: { readonly rowNames: readonly string[]; readonly seconds: number },
): string {
  const cellWidth = (plotWidth * columnSeconds) / Math.max(seconds, 1);
  const cellHeight = plotHeight / Math.max(1, rows.length);
  const cells = rows.flatMap((row, y) => [
    `<g><title>${escapeHtml(rowNames[y] ?? '')}</title>`,
    ...row.flatMap((share, x) =>
      share < 0.005
        ? []
        : [
            `<rect x="${round(left + x * cellWidth)}" y="${round(top + y * cellHeight)}" width="${round(Math.min(cellWidth + 0.3, plotWidth - x * cellWidth))}" height="${round(cellHeight + 0.3)}" opacity="${share.toFixed(2)}"/>`,
          ],
    ),
    '</g>',
  ]);
  const named = [...new Set([0, rows.length - 1])].map(
    (row) =>
      `<text class="tick" text-anchor="end" x="${left - 6}" y="${round(top + (row + 0.5) * cellHeight + 4)}">${escapeHtml(short(rowNames[row] ?? ''))}</text>`,
  );
  return `${svg([
    `<g class="heat"><rect class="ground" x="${left}" y="${top}" width="${plotWidth}" height="${plotHeight}"/>${cells.join('')}</g>`,
    ...named,
    ...timeAxis(seconds),
  ])}<p class="legend">free <i class="shades"></i> in use</p>`;
}

/** As much of a name as stands beside the plot. */
const short = (name: string): string => (name.length <= 10 ? name : `${name.slice(0, 4)}…${name.slice(-4)}`);

/** How long the longest of them is. */
export const spanSeconds = (
  series: readonly { readonly values: readonly unknown[]; readonly columnSeconds: number }[],
): number => Math.max(1, ...series.map(({ values, columnSeconds }) => values.length * columnSeconds));

const svg = (parts: readonly string[]): string =>
  `<svg viewBox="0 0 ${width} ${height}" role="img">${parts.join('')}</svg>`;

const legend = (names: readonly string[]): string =>
  `<p class="legend">${names.map((name, index) => `<span><i class="c${index % 6}"></i>${escapeHtml(name)}</span>`).join('')}</p>`;

function yAxis({ ticks, most }: ValueAxis): readonly string[] {
  return ticks.flatMap(({ value, text }) => {
    const y = round(top + plotHeight * (1 - value / most));
    return [
      `<line class="grid" x1="${left}" x2="${width - right}" y1="${y}" y2="${y}"/>`,
      `<text class="tick" text-anchor="end" x="${left - 6}" y="${Number(y) + 4}">${escapeHtml(text)}</text>`,
    ];
  });
}

function timeAxis(seconds: number): readonly string[] {
  return timeTicks(seconds).map(({ value, text }) => {
    const anchor = value === 0 ? 'start' : value > 0.98 * seconds ? 'end' : 'middle';
    return `<text class="tick" text-anchor="${anchor}" x="${round(left + (plotWidth * value) / seconds)}" y="${height - 8}">${text}</text>`;
  });
}

const round = (value: number): string => String(Math.round(value * 10) / 10);
