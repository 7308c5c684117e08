/** What an error of a connection to a replica means. */
const codeOf = (error: Error): string =>
  'code' in error && typeof error.code === 'string' ? error.code : '';

export function isRefusal(error: Error): boolean {
  return [
    'ECONNREFUSED',
    'ENOENT',
    'UND_ERR_CONNECT_TIMEOUT',
    'UND_ERR_CLOSED',
    'UND_ERR_DESTROYED',
    'EHOSTUNREACH',
  ].includes(codeOf(error));
}

export function isTimeout(error: Error): boolean {
  return codeOf(error).endsWith('_TIMEOUT');
}

/** The connection broke after the request was sent: the replica is gone. */
export function isCut(error: Error): boolean {
  return ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'].includes(codeOf(error));
}
