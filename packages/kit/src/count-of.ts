/** `1 slot`, `2 slots`, `0 replicas`, `1 entry`: other than with an s where `several` says so. */
export const countOf = (count: number, noun: string, several = `${noun}s`): string =>
  `${count.toLocaleString('en-US')} ${count === 1 ? noun : several}`;
