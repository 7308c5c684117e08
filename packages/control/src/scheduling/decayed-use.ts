export { DecayedUse } from '@gantry/scheduling';
