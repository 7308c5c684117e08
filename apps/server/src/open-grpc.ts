/** The gateway's gRPC port, with a taken one told as what it is. */
import { GantryError } from '@gantry/contract';
import { type Gateway, type GrpcFront, startGrpcFront } from '@gantry/gateway';

export async function openGrpc(options: {
  readonly gateway: Gateway;
  readonly host: string;
  readonly port: number;
  readonly tls: { readonly cert: Buffer; readonly key: Buffer } | undefined;
}): Promise<GrpcFront> {
  const { tls, ...rest } = options;
  try {
    return await startGrpcFront({ ...rest, ...(tls === undefined ? {} : { tls }) });
  } catch (cause) {
    throw new GantryError('port_in_use', `port ${options.port} cannot be opened for gRPC`, {
      hint: 'give another: --grpc-port 0 takes a free one',
      cause,
    });
  }
}
