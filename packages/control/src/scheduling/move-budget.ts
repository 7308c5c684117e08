export { MoveBudget } from '@gantry/scheduling';
