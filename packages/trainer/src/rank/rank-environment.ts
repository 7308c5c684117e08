/** What the platform tells a rank, read once (see docs/training.md). */
import type { ThreadMeeting, Transport } from '../group/index.ts';
import { UserFault } from './user-fault.ts';

export interface RankEnvironment {
  readonly rank: number;
  readonly worldSize: number;
  readonly job: string;
  readonly attempt: string;
  /** Shared by all attempts of the job. */
  readonly runDirectory: string;
  readonly reportFile: string | undefined;
  readonly specFile: string;
  /** Where the ranks of this attempt find each other. */
  readonly rendezvous: Transport;
  readonly resumeFrom: string | undefined;
}

export function readRankEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  meeting?: ThreadMeeting,
): RankEnvironment {
  const required = (name: string): string => {
    const value = env[name];
    if (value === undefined || value === '') {
      throw new UserFault(
        'bad_environment',
        `${name} is not set.`,
        'Start training ranks with `gantry train` or a job file.',
      );
    }
    return value;
  };
  const whole = (name: string, fallback: number): number => {
    const value = Number(env[name] ?? fallback);
    if (!Number.isInteger(value) || value < 0) {
      throw new UserFault(
        'bad_environment',
        `${name} is ${JSON.stringify(env[name])}, not a whole number.`,
        'The runner sets it.',
      );
    }
    return value;
  };
  const rendezvousOf = (): Transport => {
    if (worldSize === 1) return { kind: 'unix', directory: '' };
    if (meeting !== undefined) return { kind: 'threads', meeting };
    return toTransport(required('GANTRY_RENDEZVOUS'), env);
  };
  const worldSize = whole('WORLD_SIZE', 1);
  const rank = whole('RANK', 0);
  if (rank >= worldSize) {
    throw new UserFault(
      'bad_environment',
      `RANK ${rank} is outside WORLD_SIZE ${worldSize}.`,
      'The runner sets both.',
    );
  }
  return {
    rank,
    worldSize,
    job: env['GANTRY_JOB'] ?? 'job',
    attempt: env['GANTRY_ATTEMPT'] ?? 'attempt',
    runDirectory: required('GANTRY_RUN_DIR'),
    reportFile: env['GANTRY_REPORT_FILE'],
    specFile: required('GANTRY_SPEC_FILE'),
    rendezvous: rendezvousOf(),
    resumeFrom: env['GANTRY_RESUME_FROM'],
  };
}

/** A folder that all ranks share, or `tcp://HOST:PORT` of rank 0 for ranks on several hosts. */
function toTransport(place: string, env: Readonly<Record<string, string | undefined>>): Transport {
  if (!place.startsWith('tcp://')) return { kind: 'unix', directory: place };
  const token = env['GANTRY_RENDEZVOUS_TOKEN'] ?? '';
  const address = URL.parse(place);
  const port = Number(address?.port);
  if (address === null || !(port > 0) || token === '') {
    throw new UserFault(
      'bad_environment',
      token === ''
        ? `GANTRY_RENDEZVOUS is ${place}, and GANTRY_RENDEZVOUS_TOKEN is not set.`
        : `GANTRY_RENDEZVOUS is ${JSON.stringify(place)}, not tcp://HOST:PORT.`,
      'Ranks on several hosts need the address of rank 0 and a token that all of them have.',
    );
  }
  // The brackets of an IPv6 address belong to the URL only.
  return { kind: 'tcp', host: address.hostname.replaceAll(/[[\]]/g, ''), port, token };
}
