// The units of systemd: the one that loads the confirmed rules before the network is up, and the daemon, which may do
// nothing but what it is for.
import { bootUnitName, closedFile, runDirectory, stateDirectory } from './places.ts';

export type UnitFacts = {
  readonly home: string;
  /** The old iptables, which needs a raw socket and a lock file. */
  readonly legacy: boolean;
};

/** Other firewalls that empty the kernel's tables when they start come before; so do modules and their settings. */
const before = [
  'local-fs.target',
  'systemd-modules-load.service',
  'systemd-sysctl.service',
  'nftables.service',
  'netfilter-persistent.service',
  'ufw.service',
];

export function bootUnit({ home, legacy }: UnitFacts): string {
  return `# Written by bridgekeeper install; bridgekeeper uninstall takes it away.
[Unit]
Description=Loads the confirmed firewall rules of bridges
Documentation=man:bridgekeeper(1)
DefaultDependencies=no
Wants=network-pre.target
After=${before.join(' ')}
Before=network-pre.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
StandardInput=null
ExecStart=${home}/bin/bridgekeeper-boot ${stateDirectory} ${closedFile} unit
TimeoutStartSec=60
NoNewPrivileges=yes
CapabilityBoundingSet=${capabilities(legacy)}
ProtectSystem=full
ProtectHome=${protectHome(home)}

[Install]
WantedBy=sysinit.target
`;
}

export function daemonUnit({ home, legacy }: UnitFacts): string {
  const writable = [stateDirectory, runDirectory, ...(legacy ? ['-/run/xtables.lock'] : [])];
  return `# Written by bridgekeeper install; bridgekeeper uninstall takes it away.
[Unit]
Description=Keeps the firewall rules of bridges while guests come and go
Documentation=man:bridgekeeper(1)
Wants=${bootUnitName}
After=${bootUnitName} network.target
StartLimitIntervalSec=0

[Service]
Type=notify
# it speaks by systemd-notify, which is a child of it
NotifyAccess=all
ExecStart=${home}/bin/bridgekeeper serve
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=2
WatchdogSec=120
UMask=0077
# rules, links and connection tracking${legacy ? '; the old iptables opens a raw socket' : ''}
CapabilityBoundingSet=${capabilities(legacy)}
AmbientCapabilities=
NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths=${writable.join(' ')}
RuntimeDirectory=bridgekeeper
RuntimeDirectoryPreserve=yes
ProtectHome=${protectHome(home)}
PrivateTmp=${isBelow(home, ['/tmp', '/var/tmp']) ? 'no' : 'yes'}
PrivateDevices=yes
PrivateMounts=yes
DevicePolicy=closed
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
# whether the owner of a lock lives is asked of /proc, and hidepid would hide processes that may do more than this one
ProtectProc=default
KeyringMode=private
LockPersonality=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
# netlink for the kernel, Unix for libvirt${legacy ? ', a raw socket for iptables' : ''}; nothing leaves the machine
RestrictAddressFamilies=AF_NETLINK AF_UNIX${legacy ? ' AF_INET' : ''}
IPAddressDeny=any
# memory that is written and run is what Node's compiler makes: MemoryDenyWriteExecute cannot be had
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
`;
}

function capabilities(legacy: boolean): string {
  return legacy ? 'CAP_NET_ADMIN CAP_NET_RAW' : 'CAP_NET_ADMIN';
}

/** A checkout below a home must at least be read. */
function protectHome(home: string): string {
  return isBelow(home, ['/home', '/root', '/run/user']) ? 'read-only' : 'yes';
}

function isBelow(path: string, directories: readonly string[]): boolean {
  return directories.some((directory) => `${path}/`.startsWith(`${directory}/`));
}
