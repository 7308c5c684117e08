export { ApiError } from './api-error.ts';
export { createClient, type CallOptions, type Client, type ClientOptions } from './client.ts';
export { eventFrames } from './event-frames.ts';
export type { ServerEvent } from './server-events.ts';
