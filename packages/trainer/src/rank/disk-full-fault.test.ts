import { describe, expect, it } from 'vitest';
import { withDiskFullFault } from './disk-full-fault.ts';

describe('an error while training', () => {
  it.each(['ENOSPC', 'EDQUOT'])('%s says that the disk is full, where, and what to do', (code) => {
    const fault = withDiskFullFault(Object.assign(new Error('write'), { code }), '/runs/job');
    expect(fault).toMatchObject({
      code: 'disk_full',
      message: expect.stringContaining('/runs/job'),
      hint: expect.stringContaining('gantry job retry'),
    });
  });

  it('of any other kind stays what it is', () => {
    const error = new Error('bug');
    expect(withDiskFullFault(error, '/runs/job')).toBe(error);
    expect(withDiskFullFault(undefined, '/runs/job')).toBeUndefined();
  });
});
