// Words about the kernel's ring: who may not read it, what still works there, and a line that is in one door and not in the
// other. A container cannot give itself what its host refuses, and a ring cannot be restarted.
import { unreachable } from '../model/unreachable.ts';
import type { Facts } from './facts.ts';
import { isContainer, type MachineKind } from './machine-kind.ts';
import { advice, type Explanation, fix } from './remedy.ts';
import type { Path } from './verdict.ts';

const userNamespace =
  "the kernel shows its ring to the host's own CAP_SYSLOG only, and this is a user namespace: root in here may not read it";

/** dmesg is refused. */
export function refusedRing(kind: MachineKind, facts: Facts): Explanation {
  if (facts.ring.ownUsers) return advice(userNamespace, elsewhere(facts));
  const because = 'the kernel shows its ring to those with CAP_SYSLOG only';
  if (facts.uid !== 0) return advice(because, 'ask as root');
  if (!isContainer(kind)) return advice(because, 'give the container or service CAP_SYSLOG');
  return advice(because, `give the container CAP_SYSLOG, or ${elsewhere(facts)}`);
}

/** What is left to who may not read the ring, as far as the facts show it. */
function elsewhere({ ring, syslog }: Facts): string {
  const open = [
    ...(ring.dmesg === 'readable' ? ['read it by dmesg here'] : []),
    ...(ring.kmsg === 'readable' ? ['read /dev/kmsg here'] : []),
    ...(syslog.collector ? ['read kern.log here, which the collector writes'] : []),
    'read the lines on the host (bridgekeeper watch there)',
    'log by NFLOG with ulogd2 in here, which needs no ring',
  ];
  return open.join(', or ');
}

/** It was counted or is elsewhere, and is not on this path. */
export function notArrived(path: Path, kind: MachineKind): Explanation {
  switch (path) {
    case 'rules':
      return advice(
        'the rule saw the packet, and the ring that can be read here has no line of it',
        isContainer(kind)
          ? 'look for the line on the host (dmesg | grep BKPROBE), or log by NFLOG with ulogd2 in here'
          : 'probe again while little else is logged; if it stays so, log by NFLOG with ulogd2',
      );
    case 'ring':
      return advice(
        'another door of the ring has the line, and dmesg does not show it',
        'read /dev/kmsg or the journal instead',
      );
    case 'kmsg':
      return advice(
        'another door of the ring has the line, and /dev/kmsg does not show it',
        'read it by dmesg instead',
      );
    case 'journal':
      return lostBy('systemctl restart systemd-journald');
    case 'kern.log':
    case 'ufw.log':
    case 'syslog':
      return lostBy('restart the syslog daemon (systemctl restart rsyslog, or service rsyslog restart)');
    case 'nflog':
      return lostBy('restart ulogd2');
    default:
      return unreachable(path);
  }
}

function lostBy(restart: string): Explanation {
  return advice('the line is lost here, and nothing that is known here explains it', `${restart}, and probe again`);
}

/** OpenVZ 6 has a kernel of 2009 whose /dev/kmsg can be opened and not read: journald gives up in silence. */
export function kmsgWords(cause: KmsgCause, path: Path, kind: MachineKind, facts: Facts): Explanation {
  const because = kmsgBecause(cause, path, kind, facts);
  const usable = facts.ring.dmesg === 'readable';
  if (usable && facts.uid === 0 && !facts.syslog.collector) return fix(because, 'dmesg-collector');
  if (facts.syslog.collector) return { because };
  return advice(because, kmsgAdvice(cause, kind, facts));
}

function kmsgAdvice(cause: KmsgCause, kind: MachineKind, facts: Facts): string {
  if (cause === 'kmsg-unreadable') return 'read the ring by dmesg';
  // a missing node can be made, but in no user namespace of its own; what is refused has its node
  if (facts.ring.ownUsers) return elsewhere(facts);
  if (cause === 'kmsg-absent')
    return isContainer(kind) ? 'let the container have the device /dev/kmsg' : 'mknod /dev/kmsg c 1 11';
  if (facts.uid !== 0) return 'ask as root';
  if (!isContainer(kind)) return 'give the service CAP_SYSLOG, and allow the device /dev/kmsg (DeviceAllow=char-mem r)';
  return `let the container have CAP_SYSLOG and the device c 1:11, or ${elsewhere(facts)}`;
}

type KmsgCause = 'kmsg-absent' | 'kmsg-refused' | 'kmsg-unreadable';

function kmsgBecause(cause: KmsgCause, path: Path, kind: MachineKind, facts: Facts): string {
  switch (cause) {
    case 'kmsg-absent':
      if (kind === 'nspawn') return 'systemd-nspawn hides /dev/kmsg from its containers';
      return isContainer(kind) ? 'the container has no /dev/kmsg' : '/dev/kmsg is missing';
    case 'kmsg-refused':
      if (facts.ring.ownUsers) return userNamespace;
      return isContainer(kind) ? 'the container may not open /dev/kmsg' : '/dev/kmsg may not be opened';
    case 'kmsg-unreadable':
      return path === 'journal' && kind === 'openvz'
        ? "the container's kernel is the node's, and too old (before 3.5) for reading /dev/kmsg: journald gets EINVAL once and never asks again; dmesg and /proc/kmsg go another way and still work"
        : 'the kernel is too old (before 3.5) for reading /dev/kmsg';
    default:
      return unreachable(cause);
  }
}
