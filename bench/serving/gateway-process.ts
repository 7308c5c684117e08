/** The gateway with everything on: key, limits of three scopes, budget, canary split, routing, metering. */
import { createServer } from 'node:http';
import { createGateway, createMemoryLimits } from '@gantry/gateway';

const [, , socketA = '', socketB = ''] = process.argv;
const generous = { requestsPerMinute: 1e9, tokensPerMinute: 1e12, concurrentRequests: 1e6 };
const limits = createMemoryLimits({ tenantLimits: () => generous, keyLimits: () => generous });
limits.setBudget('acme', { limit: 1e15, spent: 0 });
let metered = 0;
const gateway = createGateway({
  authenticate: async (bearer) =>
    bearer === 'sk-bench' ? { tenantId: 'acme', principalId: 'p', keyId: 'k' } : undefined,
  limits,
  meter: () => metered++,
});
const replica = (replicaId: string, socketPath: string) => ({
  replicaId,
  origin: { socketPath },
  ready: true,
});
gateway.setRoutes('acme', [
  {
    endpointId: 'e',
    endpointName: 'chat',
    limits: generous,
    revisions: [
      {
        revisionId: 'r1',
        modelVersion: 'v1',
        weight: 90,
        replicas: [replica('a', socketA), replica('b', socketB)],
      },
      { revisionId: 'r2', modelVersion: 'v2', weight: 10, replicas: [replica('c', socketA)] },
    ],
  },
]);
const server = createServer((request, response) => {
  gateway.handle(request, response);
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  console.log(JSON.stringify({ port: typeof address === 'object' ? address?.port : undefined }));
});
