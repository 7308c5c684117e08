export { createHttpServer } from './http-server.ts';
export { readTls } from './read-tls.ts';
export type {
  Handlers,
  HttpServer,
  HttpServerOptions,
  Principal,
  RequestContext,
  StreamItem,
} from './types.ts';
