export { nextLookMs } from '@gantry/scheduling';
