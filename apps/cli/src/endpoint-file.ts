/** Endpoint files: everything an endpoint can be, where options would be too many. */
import { type EndpointCreateInput, endpointCreate } from '@gantry/contract';
import { type SpecKind, readSpecFile } from './spec-file.ts';

const kind: SpecKind = {
  // Name and model may come from the command line.
  schema: endpointCreate.partial({ name: true, model: true }),
  emptyHint: 'an endpoint needs a model',
  example: 'an endpoint file looks like examples/served-model.endpoint.yaml',
};

export const readEndpointFile = (path: string): Partial<EndpointCreateInput> =>
  readSpecFile(path, kind) as Partial<EndpointCreateInput>;
