import { UserFault } from './user-fault.ts';

/** A disk that is full outside of a checkpoint (data, export) ends the rank with a sentence; other errors stay. */
export function withDiskFullFault(error: unknown, runDirectory: string): unknown {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  return new UserFault(
    'disk_full',
    `The disk is full: ${runDirectory} could not be written. The newest whole checkpoint is kept.`,
    'Free space there, then gantry job retry: it goes on from that checkpoint.',
  );
}
