/** Reads DeepSpeed's JSON by the table of keys; `"auto"` is what the job file says. */
import { deepSpeedKeys } from './deepspeed-keys.ts';
import type { DeepSpeedProblem, DeepSpeedReading, DeepSpeedSettings } from './deepspeed-settings.ts';

export function readDeepSpeed(config: unknown): DeepSpeedReading {
  const settings: DeepSpeedSettings = {};
  const notes: string[] = [];
  const problems: DeepSpeedProblem[] = [];
  if (!isObject(config))
    return { settings, notes, problems: [{ key: 'deepspeed', message: 'is no JSON object' }] };
  for (const [key, value] of leavesOf(config, '')) {
    if (value === 'auto') continue;
    const rule = Object.hasOwn(deepSpeedKeys, key) ? deepSpeedKeys[key] : undefined;
    if (rule === undefined) problems.push({ key, message: 'is not known to this runtime' });
    else if (rule.kind === 'said') {
      if (value !== rule.unless) notes.push(`${key}: ${rule.sentence}`);
    } else {
      const message = rule.take(value, settings);
      if (message !== undefined) problems.push({ key, message });
    }
  }
  const { offloadMoments = false, offloadParameters = false } = settings;
  if (offloadParameters && !offloadMoments)
    problems.push({
      key: 'zero_optimization.offload_param.device',
      message: 'goes together with offload_optimizer.device nvme: both lie in one file',
    });
  return { settings, notes, problems };
}

/** Keys that hold no object, by their path; a section that is said to be off counts for nothing. */
function* leavesOf(value: Readonly<Record<string, unknown>>, before: string): Generator<[string, unknown]> {
  if (value['enabled'] === false) return;
  for (const [name, inner] of Object.entries(value)) {
    if (isObject(inner)) yield* leavesOf(inner, `${before}${name}.`);
    else yield [`${before}${name}`, inner];
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
