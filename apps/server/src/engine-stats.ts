/** The numbers of our own engines' `/stats`, asked over their socket. */
import { request } from 'node:http';

const askMs = 1_000;
/** No engine says more of itself. */
const maxBytes = 64 * 1024;

/** Undefined where it does not answer in time, and of servers of others. */
export async function engineStats(
  origin: { readonly socketPath: string; readonly healthPath?: string } | object,
): Promise<Record<string, number> | undefined> {
  if (!('socketPath' in origin) || origin.healthPath !== undefined) return undefined;
  const text = await new Promise<string>((resolve) => {
    const ask = request({ socketPath: origin.socketPath, path: '/stats', timeout: askMs }, (response) => {
      let said = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        said += chunk;
        if (said.length > maxBytes) ask.destroy();
      });
      response.on('close', () => resolve(said));
    });
    ask.on('timeout', () => ask.destroy());
    ask.on('error', () => resolve(''));
    ask.end();
  });
  try {
    return flatNumbers(JSON.parse(text) as object);
  } catch {
    return undefined;
  }
}

/** `{ batchRows: { p50: 3 } }` is `batchRows.p50`. */
function flatNumbers(value: object, prefix = ''): Record<string, number> {
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, each]: [string, unknown]) => {
      if (typeof each === 'number') return [[`${prefix}${name}`, each]];
      return typeof each === 'object' && each !== null && prefix === ''
        ? Object.entries(flatNumbers(each, `${name}.`))
        : [];
    }),
  );
}
