/** Small SVG charts as text: no script, nothing fetched, readable in light and dark. */

export interface Series {
  readonly name: string;
  /** One value a column; columns are `columnSeconds` wide. */
  readonly values: readonly number[];
  readonly columnSeconds: number;
}

const [width, height, left, right, top, bottom] = [900, 260, 64, 12, 12, 28];
const plotWidth = width - left - right;
const plotHeight = height - top - bottom;

export const escapeHtml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** Stepless lines over time, all on one scale. */
export function lineChart(series: readonly Series[], format: (value: number) => string): string {
  const seconds = Math.max(1, ...series.map(({ values, columnSeconds }) => values.length * columnSeconds));
  const most = Math.max(...series.flatMap(({ values }) => values), 1e-9);
  const lines = series.map(({ name, values, columnSeconds }, index) => {
    const points = values.map(
      (value, column) =>
        `${round(left + (plotWidth * (column + 0.5) * columnSeconds) / seconds)},${round(top + plotHeight * (1 - value / most))}`,
    );
    return `<polyline class="line c${index % 6}" points="${points.join(' ')}"><title>${escapeHtml(name)}</title></polyline>`;
  });
  const legends = series.map(({ name }) => name);
  return `${svg([...yAxis(most, format), ...timeAxis(seconds), ...lines])}${legend(legends)}`;
}

export interface BarGroup {
  readonly label: string;
  readonly values: readonly number[];
}

/** A group of bars for each label, one bar a name. */
export function barChart(
  names: readonly string[],
  groups: readonly BarGroup[],
  format: (value: number) => string,
): string {
  const most = Math.max(...groups.flatMap(({ values }) => values), 1e-9);
  const groupWidth = plotWidth / Math.max(1, groups.length);
  const barWidth = Math.min(40, (groupWidth * 0.8) / Math.max(1, names.length));
  const bars = groups.flatMap(({ label, values }, group) => {
    const start = left + group * groupWidth + (groupWidth - barWidth * names.length) / 2;
    return [
      ...values.map((value, index) => {
        const tall = (plotHeight * value) / most;
        return `<rect class="bar c${index % 6}" x="${round(start + index * barWidth)}" y="${round(top + plotHeight - tall)}" width="${round(barWidth * 0.9)}" height="${round(tall)}"><title>${escapeHtml(`${names[index] ?? ''}, ${label}: ${format(value)}`)}</title></rect>`;
      }),
      `<text class="tick" text-anchor="middle" x="${round(left + (group + 0.5) * groupWidth)}" y="${height - 8}">${escapeHtml(label)}</text>`,
    ];
  });
  return `${svg([...yAxis(most, format), ...bars])}${legend(names)}`;
}

/** Rows of shares from 0 (idle) to 1 (full), darker is fuller. */
export function heatMap(
  rows: readonly (readonly number[])[],
  columnSeconds: number,
  rowNames: readonly string[],
): string {
  const columns = Math.max(1, ...rows.map((row) => row.length));
  const [cellWidth, cellHeight] = [plotWidth / columns, plotHeight / Math.max(1, rows.length)];
  const cells = rows.flatMap((row, y) => [
    `<g><title>${escapeHtml(rowNames[y] ?? '')}</title>`,
    ...row.flatMap((share, x) =>
      share < 0.005
        ? []
        : [
            `<rect x="${round(left + x * cellWidth)}" y="${round(top + y * cellHeight)}" width="${round(cellWidth + 0.3)}" height="${round(cellHeight + 0.3)}" opacity="${share.toFixed(2)}"/>`,
          ],
    ),
    '</g>',
  ]);
  return svg([
    `<g class="heat"><rect class="ground" x="${left}" y="${top}" width="${plotWidth}" height="${plotHeight}"/>${cells.join('')}</g>`,
    ...timeAxis(columns * columnSeconds),
  ]);
}

const svg = (parts: readonly string[]): string =>
  `<svg viewBox="0 0 ${width} ${height}" role="img">${parts.join('')}</svg>`;

const legend = (names: readonly string[]): string =>
  `<p class="legend">${names.map((name, index) => `<span><i class="c${index % 6}"></i>${escapeHtml(name)}</span>`).join('')}</p>`;

function yAxis(most: number, format: (value: number) => string): readonly string[] {
  return [0, 0.5, 1].flatMap((part) => {
    const y = round(top + plotHeight * (1 - part));
    return [
      `<line class="grid" x1="${left}" x2="${width - right}" y1="${y}" y2="${y}"/>`,
      `<text class="tick" text-anchor="end" x="${left - 6}" y="${Number(y) + 4}">${escapeHtml(format(most * part))}</text>`,
    ];
  });
}

function timeAxis(seconds: number): readonly string[] {
  const [unit, name] =
    seconds >= 2 * 86_400 ? [86_400, 'd'] : seconds >= 2 * 3600 ? [3600, 'h'] : [60, 'min'];
  return [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const anchor = part === 0 ? 'start' : part === 1 ? 'end' : 'middle';
    const value = (seconds * part) / unit;
    return `<text class="tick" text-anchor="${anchor}" x="${round(left + plotWidth * part)}" y="${height - 8}">${value < 10 ? Number(value.toFixed(1)) : Math.round(value)} ${name}</text>`;
  });
}

const round = (value: number): string => String(Math.round(value * 10) / 10);
