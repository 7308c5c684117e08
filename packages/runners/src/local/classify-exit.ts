/** How a worker ended → whose failure it was (docs/runners.md). Pure. */
import { countOf } from '@gantry/kit';
import type { WorkerExit } from '@gantry/ports';
import type { ExitRecord } from './worker-files.ts';

export function classifyExit(record: ExitRecord): WorkerExit {
  const shared = {
    code: record.code ?? undefined,
    signal: record.signal ?? undefined,
    stderrTail: record.stderrTail,
    ...(record.clockJumpMs === undefined ? {} : { clockJumpMs: record.clockJumpMs }),
  };
  const refused = record.refusedProcesses ?? 0;
  const because = (exitClass: WorkerExit['exitClass'], message: string, hint?: string): WorkerExit => ({
    ...shared,
    exitClass,
    message:
      refused > 0 && exitClass !== 'done'
        ? `${message}; its limit of processes refused it another one ${countOf(refused, 'time')}`
        : message,
    ...(hint === undefined ? {} : { hint }),
  });
  switch (record.cause) {
    case 'out_of_memory':
      return because('out_of_memory', 'used more memory than it asked for');
    case 'time_limit':
      return because('time_limit', 'reached its time limit');
    case 'too_many_processes':
      return because('user_error', 'started more processes than it may');
    case 'not_started':
      return because(
        'user_error',
        record.message ?? 'could not be started',
        'check command and workdir; gantry job run -- COMMAND passes your PATH on',
      );
    case 'image_missing':
      return because(
        'user_error',
        record.message ?? 'its image could not be had',
        'check the name: it is written with its registry, like docker.io/library/python:3.13; a private one needs imageSecret',
      );
    case 'image_unavailable':
      return because('infrastructure', record.message ?? 'its image could not be pulled now');
    case undefined:
      break;
  }
  if (record.code === 0) return because('done', 'ended well');
  if (record.isStopRequested) return because('preempted', 'was stopped');
  if (record.message !== undefined) return because('infrastructure', record.message);
  if (record.code === 75) return because('infrastructure', 'lost a peer or its machine (exit 75)');
  if (record.signal === 'SIGKILL' || record.signal === 'SIGBUS')
    return because('infrastructure', `was killed from outside (${record.signal})`);
  if (record.code === 143 || record.signal === 'SIGTERM')
    return because('infrastructure', 'was terminated from outside');
  if (record.code === 127)
    return because(
      'user_error',
      'exited with 127: a shell found no such program',
      'see its stderr for the name',
    );
  return because(
    'user_error',
    record.signal === null ? `exited with ${record.code}` : `crashed with ${record.signal}`,
  );
}
