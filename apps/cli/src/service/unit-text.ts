/**
 * The systemd unit of the server, as text. Hardened as far as a server can be that starts other people's
 * programs: what would tie workers to one life of the server, or hide their files from them, stays off.
 */
export interface UnitOptions {
  readonly scope: 'system' | 'user';
  readonly nodePath: string;
  readonly serverEntry: string;
  readonly dataDir: string;
  readonly serverArgs: readonly string[];
  /** System units only: the user to run as; root where undefined. */
  readonly runAs?: string;
}

export const unitName = 'gantry.service';

export function unitText(options: UnitOptions): string {
  const { scope, nodePath, serverEntry, dataDir, serverArgs, runAs } = options;
  const command = [nodePath, serverEntry, '--data-dir', dataDir, ...serverArgs].map(unitWord).join(' ');
  return `# Written by "gantry service install"; "gantry service uninstall" removes it.
[Unit]
Description=Gantry AI platform
${scope === 'system' ? 'Wants=network-online.target\nAfter=network-online.target\n' : ''}
[Service]
Type=exec
ExecStart=${command}
${runAs === undefined ? '' : `User=${runAs}\n`}UMask=0077
LimitNOFILE=1048576
# A crash is followed by a new server, which adopts the workers that went on meanwhile.
Restart=on-failure
RestartSec=2
# Workers outlive the server: only the server is stopped.
KillMode=process
TimeoutStopSec=60
# Control groups for the limits of workers.
Delegate=cpu cpuset memory pids
OOMPolicy=continue
# No PrivateTmp (workers keep their sockets there over a restart), no MemoryDenyWriteExecute (V8 compiles),
# no RestrictNamespaces and ProtectControlGroups (they are the walls around workers), no PrivateDevices (GPUs).
${hardening[scope].join('\n')}

[Install]
WantedBy=${scope === 'system' ? 'multi-user.target' : 'default.target'}
`;
}

const both = ['LockPersonality=yes', 'RestrictRealtime=yes', 'SystemCallArchitectures=native'];

const hardening: Readonly<Record<UnitOptions['scope'], readonly string[]>> = {
  system: [
    ...both,
    'ProtectSystem=yes',
    'ProtectClock=yes',
    'ProtectHostname=yes',
    'ProtectKernelLogs=yes',
    'ProtectKernelModules=yes',
    'RestrictSUIDSGID=yes',
    'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK',
    'CapabilityBoundingSet=~CAP_SYS_BOOT CAP_SYS_RAWIO CAP_SYS_MODULE CAP_SYS_TIME CAP_MAC_ADMIN CAP_AUDIT_CONTROL',
  ],
  // A user manager cannot make mount namespaces: only what the kernel grants to anybody.
  user: ['NoNewPrivileges=yes', ...both],
};

/** One word of ExecStart=: quoted, `%` and `$` taken as they are (systemd.service(5), "Command lines"). */
export function unitWord(text: string): string {
  const escaped = text.replaceAll('%', '%%').replaceAll('$', '$$$$');
  if (/^[A-Za-z0-9_\-./:=@%$,+]+$/.test(escaped)) return escaped;
  return `"${escaped.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
}

/** The data directory a unit of ours serves; undefined for anybody else's. */
export function dataDirOfUnit(text: string): string | undefined {
  const word = /^ExecStart=.* --data-dir ("(?:[^"\\]|\\.)*"|\S+)/m.exec(text)?.[1];
  if (word === undefined || !text.startsWith('# Written by "gantry service install"')) return undefined;
  const bare = word.startsWith('"') ? word.slice(1, -1).replaceAll(/\\(["\\])/g, '$1') : word;
  return bare.replaceAll('$$', '$').replaceAll('%%', '%');
}
