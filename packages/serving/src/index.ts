export { leastWork, type ReplicaLoad } from './routing/least-work.ts';
export { splitByWeight, stickyPoint, type Weighted } from './rollout/traffic-split.ts';
