export type { EndpointSnapshot, Gateway, GatewayOptions, GatewaySnapshot } from './gateway-api.ts';
export { createGateway } from './gateway.ts';
export { type Authenticate } from './limits/key-cache.ts';
export { type HeldByKey, KeyWatch } from './limits/key-watch.ts';
export { unlimited, type Admission, type Estimate, type Limits } from './limits/limits.ts';
export { type MeterRecord } from './metering/meter-record.ts';
export { type PayloadRecord } from './payloads/payload-record.ts';
export { type Problem, type ProblemCode } from './http/problem.ts';
export {
  createAffinityRouter,
  type AffinityRouterOptions,
  type ReplicaRouter,
  type RouterChoice,
} from './routes/replica-router.ts';
export { createMemoryLimits, type MemoryLimits, type MemoryLimitsOptions } from './limits/memory-limits.ts';
export {
  type Origin,
  type Principal,
  type Route,
  type RouteLimits,
  type RouteReplica,
  type RouteRevision,
} from './routes/route.ts';
export { isPrivateHost } from './remote/private-address.ts';
export { type RemoteLook } from './remote/look-at-remote.ts';
export { type RemoteOrigin } from './remote/remote-origin.ts';
export { type KeptResponse, type ResponseKeeper } from './responses/response-store.ts';
export { type Usage } from './metering/usage.ts';
export { startGrpcFront, type GrpcFront, type GrpcFrontOptions } from './grpc/grpc-front.ts';
