/** Where a share is mounted, from /proc/self/mountinfo (proc_pid_mountinfo(5)). Pure. */
export function findNfsMount(mountinfo: string, share: string): string | undefined {
  for (const line of mountinfo.split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const [type = '', source = ''] = after.split(' ');
    const point = before.split(' ')[4];
    if (/^nfs4?$/.test(type) && unescape(source) === share.replace(/(.)\/+$/, '$1') && point !== undefined)
      return unescape(point);
  }
  return undefined;
}

const unescape = (field: string): string =>
  field.replaceAll(/\\([0-7]{3})/g, (_all, code: string) => String.fromCharCode(Number.parseInt(code, 8)));
