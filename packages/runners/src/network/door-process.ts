/**
 * The door of a container, as a process of its own in the container's network: `SOCKET PORT` on its command line. Says
 * that it is open on standard output, and closes when its standard input ends, which it does with its shim at the latest.
 */
import { openPortDoor } from './port-door.ts';

const [socketPath = '', port = ''] = process.argv.slice(2);
const door = await openPortDoor(socketPath, Number(port));
process.stdin.resume().once('end', () => void door.close(2_000).then(() => process.exit(0)));
process.stdout.write('open\n');
