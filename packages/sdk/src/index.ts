export { ApiError } from './api-error.ts';
export { createClient, type CallOptions, type Client, type ClientOptions } from './client.ts';
export type { ServerEvent } from './server-events.ts';
