export { createHttpServer } from './http-server.ts';
export type {
  Handlers,
  HttpServer,
  HttpServerOptions,
  Principal,
  RequestContext,
  StreamItem,
} from './types.ts';
