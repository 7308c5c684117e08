export const gib = (bytes: number): string => `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
export const mib = (bytes: number): string => `${Math.round(bytes / 2 ** 20).toLocaleString('en')} MiB`;
export const seconds = (value: number): string =>
  value < 1 ? `${(1000 * value).toFixed(0)} ms` : `${value.toFixed(2)} s`;
