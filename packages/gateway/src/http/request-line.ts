/** Small readings of a request's first line and headers. */
import type { GatewayRequest } from './wire.ts';

export function pathOf(url: string): string {
  const query = url.indexOf('?');
  return query < 0 ? url : url.slice(0, query);
}

export function bearerOf(authorization: string | undefined): string | undefined {
  if (authorization === undefined || authorization.length > 4_096) return undefined;
  const [scheme, token] = authorization.split(' ');
  return scheme?.toLowerCase() === 'bearer' && token !== undefined && token !== '' ? token : undefined;
}

/** A path segment as it was meant; one that is not well encoded stays as it is and is then not found. */
export function decodeSegment(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** One value of reasonable length, or nothing. */
export function headerOf(incoming: GatewayRequest, name: string): string | undefined {
  const value = incoming.headers[name];
  return typeof value === 'string' && value !== '' && value.length <= 256 ? value : undefined;
}
