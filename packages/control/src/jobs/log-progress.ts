/**
 * Progress read out of what training programs print anyway: Hugging Face Trainer's dictionaries, tqdm bars,
 * "step=… loss=…" in its many spellings. A line counts only when it says something certain; a bar that loads or
 * writes files is no progress of the training. For jobs that append no reports of their own.
 */
export interface SeenProgress {
  readonly step?: number;
  readonly totalSteps?: number;
  readonly loss?: number;
  readonly validationLoss?: number;
  readonly learningRate?: number;
  readonly tokensPerSecond?: number;
  readonly etaSeconds?: number;
}

export interface LogProgress {
  /** What the text added since the last call says; later lines win. Undefined when it says nothing. */
  push(text: string): SeenProgress | undefined;
}

/** A longer line is not a person's progress line; it is dropped as it comes. */
const maxLineLength = 4_096;

export function createLogProgress(): LogProgress {
  let rest = '';
  return {
    push: (text) => {
      // Bars redraw themselves with a carriage return and no new line.
      const lines = (rest + text).split(/[\r\n]+/);
      rest = lines.pop() ?? '';
      if (rest.length > maxLineLength) rest = '';
      let seen: SeenProgress | undefined;
      for (const line of lines) {
        if (line.length === 0 || line.length > maxLineLength) continue;
        const found = readProgressLine(line);
        if (found !== undefined) seen = { ...seen, ...found };
      }
      return seen;
    },
  };
}

export function readProgressLine(raw: string): SeenProgress | undefined {
  // eslint-disable-next-line no-control-regex -- colours are control characters
  const line = raw.replaceAll(/\u001B\[[0-9;?]*[A-Za-z]/g, '');
  // The Trainer's summary at its end: its loss is the mean over the run.
  if (/\btrain_runtime\b/.test(line)) return undefined;
  const bar = readBar(line);
  const values = readValues(line);
  // A bar that says more than where it is, or that has no name, is the training's; "Loading weights: 50%" is not.
  const isOfTraining =
    bar !== undefined && (bar.name === '' || hasLoss(values) || /epoch|step|train|iter/i.test(bar.name));
  if (isOfTraining) return { ...values, ...bar.progress };
  if (bar !== undefined) return undefined;
  return hasLoss(values) || (values.step !== undefined && values.totalSteps !== undefined)
    ? values
    : undefined;
}

const hasLoss = ({ loss, validationLoss }: SeenProgress): boolean =>
  loss !== undefined || validationLoss !== undefined;

/** tqdm: `name:  45%|████▌     | 45/100 [00:10<00:12,  4.50it/s, loss=1.2]` */
const barPattern =
  /^\s*(?<name>[^|%]*?):?\s*(?<percent>\d{1,3})%\|[^|]*\|\s*(?<done>\d+)\/(?<total>\d+)\s*\[[^<\]]*(?:<(?<left>[\d:]+))?/;

function readBar(line: string): { name: string; progress: SeenProgress } | undefined {
  const groups = barPattern.exec(line)?.groups;
  if (groups === undefined) return undefined;
  const left = groups['left'] === undefined ? undefined : secondsOf(groups['left']);
  return {
    name: groups['name'] ?? '',
    progress: {
      step: Number(groups['done']),
      totalSteps: Number(groups['total']),
      ...(left === undefined ? {} : { etaSeconds: left }),
    },
  };
}

const number = String.raw`['"]?([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)['"]?`;
/** Between a name and its value: `=`, `:`, `|` or nothing but space; quotes of a dictionary's key. */
const gap = String.raw`['"]?\s*[:=]?\s*`;
const named = (names: string): RegExp =>
  new RegExp(String.raw`(?<![\w.-])(?:${names})${gap}${number}(?![\w.]*[\w])`, 'i');

const patterns = {
  validationLoss: named(String.raw`(?:eval|val|valid|validation|test)[_ /-]?loss`),
  loss: named(String.raw`(?:(?:train|training|lm|avg|mean|total)[_ /-]?)?loss`),
  learningRate: named(String.raw`lr|learning[_ ]rate`),
  tokensPerSecond: new RegExp(
    String.raw`${number}\s*(k?)\s*(?:tok|tokens|tps)(?:en)?s?\s*(?:/|per)\s*s(?:ec(?:ond)?)?\b`,
    'i',
  ),
} as const;
const stepPattern =
  /(?<![\w.-])(?:global[_ ]?step|step|steps|iteration|iter)['"]?[\s:=#]*(\d+)(?:\s*(?:\/|of)\s*(\d+))?(?![\d.]*[\w%])/i;

function readValues(line: string): SeenProgress {
  const step = stepPattern.exec(line);
  const speed = patterns.tokensPerSecond.exec(line);
  const found = {
    step: toNumber(step?.[1]),
    totalSteps: toNumber(step?.[2]),
    loss: toNumber(patterns.loss.exec(line)?.[1]),
    validationLoss: toNumber(patterns.validationLoss.exec(line)?.[1]),
    learningRate: toNumber(patterns.learningRate.exec(line)?.[1]),
    tokensPerSecond: speed === null ? undefined : (toNumber(speed[1]) ?? 0) * (speed[2] === '' ? 1 : 1_000),
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
}

const toNumber = (text: string | undefined): number | undefined => {
  const value = text === undefined ? Number.NaN : Number(text);
  return Number.isFinite(value) ? value : undefined;
};

/** `01:02:03` or `02:03` → seconds. */
const secondsOf = (text: string): number =>
  text.split(':').reduce((seconds, part) => seconds * 60 + Number(part), 0);
