export type { DeepSpeedSettings } from './deepspeed-settings.ts';
export { readDeepSpeed } from './read-deepspeed.ts';
