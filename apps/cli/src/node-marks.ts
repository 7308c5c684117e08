/** Labels and taints as kubectl writes them: `key=value`, `key=value:NoSchedule`, and `key-` to take one off. */
import type { Node } from '@gantry/contract';
import { InvalidArgumentError } from 'commander';

type Taint = Node['taints'][number];
const effects: readonly Taint['effect'][] = ['NoSchedule', 'NoExecute'];

/** null takes the label off. */
export function readLabels(words: readonly string[]): Readonly<Record<string, string | null>> {
  return Object.fromEntries(
    words.map((word) => {
      if (/^[^=]+-$/.test(word)) return [word.slice(0, -1), null];
      const at = word.indexOf('=');
      if (at < 1) throw new InvalidArgumentError(`"${word}" is neither key=value nor key- to take it off.`);
      return [word.slice(0, at), word.slice(at + 1)];
    }),
  );
}

/** All taints of a machine once the words are done; a key has one taint of an effect. */
export function changedTaints(before: readonly Taint[], words: readonly string[]): Taint[] {
  let taints = [...before];
  for (const word of words) {
    const [, key = '', value, effect, off] = /^([^=:]+?)(?:=([^:]*))?(?::([A-Za-z]+))?(-)?$/.exec(word) ?? [];
    const known = effects.find((each) => each === effect);
    if (
      key === '' ||
      (effect !== undefined && known === undefined) ||
      (off === undefined && known === undefined)
    )
      throw new InvalidArgumentError(
        `"${word}" is neither key=value:EFFECT nor key- to take it off; EFFECT is ${effects.join(', ')}.`,
      );
    taints = taints.filter((each) => each.key !== key || (known !== undefined && each.effect !== known));
    if (off === undefined && known !== undefined)
      taints.push({ key, effect: known, ...(value === undefined ? {} : { value }) });
  }
  return taints;
}

export const taintText = ({ key, value, effect }: Taint): string =>
  `${key}${value === undefined ? '' : `=${value}`}:${effect}`;
