/** `1 slot`, `2 slots`, `0 replicas`: regular plurals only. */
export const countOf = (count: number, noun: string): string =>
  `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`;
