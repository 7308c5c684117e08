import { type GrpcObject, loadPackageDefinition, type ServiceClientConstructor } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { join } from 'node:path';

/** The wire format of the standard, for servers and for clients in tests. */
export function openInferenceService(): ServiceClientConstructor {
  const definition = loadSync(join(import.meta.dirname, 'open-inference.proto'), {
    keepCase: true,
    longs: String,
    defaults: true,
    oneofs: true,
  });
  const { inference } = loadPackageDefinition(definition) as { inference?: GrpcObject };
  return inference?.['GRPCInferenceService'] as ServiceClientConstructor;
}
