export { DemandWatch } from '@gantry/scheduling';
