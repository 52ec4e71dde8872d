// Clues of a machine -> what kind of machine it is. Containers leave marks, but images of containers are also booted as
// virtual machines: whoever sees the kernel's own threads is in none.

export type MachineKind =
  | 'bare-metal'
  | 'kvm'
  | 'xen'
  | 'vmware'
  | 'virtualbox'
  | 'hyper-v'
  | 'virtual-machine'
  | 'openvz'
  | 'lxc'
  | 'nspawn'
  | 'docker'
  | 'podman'
  | 'kubernetes'
  | 'container';

export type MachineClues = {
  /** Of /proc/self/status on OpenVZ; '0' is the node itself. */
  readonly envId?: string;
  /** The kernel's threads are among the processes: process 2 is `kthreadd`. */
  readonly kernelThreads: boolean;
  /** `pid:[4026531836]` is the first one (include/linux/proc_ns.h, PROC_PID_INIT_INO). */
  readonly pidNamespace?: string;
  /** What the container's manager says of itself: `container=` of process 1, /run/systemd/container. */
  readonly named: readonly string[];
  /** Files that are there: /proc/vz, /proc/bc, /.dockerenv, /run/.containerenv. */
  readonly marks: readonly string[];
  /** /proc/1/cgroup and /proc/self/cgroup. */
  readonly controlGroups: string;
  /** The processor says that a hypervisor is below. */
  readonly hypervisor: boolean;
  /** Vendor and product of DMI, /sys/hypervisor/type, the device tree, the clocks, systemd-detect-virt --vm. */
  readonly hardware: string;
};

const firstPidNamespace = 'pid:[4026531836]';

export function machineKind(clues: MachineClues): MachineKind {
  return containerKind(clues) ?? virtualKind(clues) ?? 'bare-metal';
}

export function isContainer(kind: MachineKind): boolean {
  return ['openvz', 'lxc', 'nspawn', 'docker', 'podman', 'kubernetes', 'container'].includes(kind);
}

function containerKind({ envId, kernelThreads, pidNamespace, named, marks, controlGroups }: MachineClues) {
  if (envId !== undefined && envId !== '0') return 'openvz';
  if (marks.includes('/proc/vz') && !marks.includes('/proc/bc')) return 'openvz';
  if (kernelThreads) return undefined;
  for (const name of named) {
    const kind = namedKind(name);
    if (kind !== undefined) return kind;
  }
  if (/kubepods/.test(controlGroups)) return 'kubernetes';
  if (marks.includes('/run/.containerenv') || /libpod/.test(controlGroups)) return 'podman';
  if (marks.includes('/.dockerenv') || /\/docker[/-]/.test(controlGroups)) return 'docker';
  if (/\/lxc[./]/.test(controlGroups) || marks.includes('/dev/lxd/sock')) return 'lxc';
  return pidNamespace !== undefined && pidNamespace !== firstPidNamespace ? 'container' : undefined;
}

/** The words of systemd's container interface, and of the managers themselves. */
function namedKind(name: string): MachineKind | undefined {
  switch (name.trim()) {
    case '':
      return undefined;
    case 'lxc':
    case 'lxc-libvirt':
      return 'lxc';
    case 'systemd-nspawn':
      return 'nspawn';
    case 'docker':
      return 'docker';
    case 'podman':
      return 'podman';
    case 'openvz':
      return 'openvz';
    default:
      return 'container';
  }
}

const hardwareKinds: readonly (readonly [pattern: RegExp, kind: MachineKind])[] = [
  [/vmware/i, 'vmware'],
  [/virtualbox|innotek|oracle corporation/i, 'virtualbox'],
  [/microsoft corporation|hyper-?v|^microsoft$/im, 'hyper-v'],
  [/\bxen\b/i, 'xen'],
  [/\bkvm\b|kvm-clock|amazon ec2|google compute engine|openstack|digitalocean|firecracker/i, 'kvm'],
  [/\bqemu\b|bochs|bhyve|parallels|apple virtualization/i, 'virtual-machine'],
];

function virtualKind({ hypervisor, hardware }: MachineClues): MachineKind | undefined {
  const known = hardwareKinds.find(([pattern]) => pattern.test(hardware));
  // boards are made by firms that also sell hypervisors: where the processor can tell, it must agree
  if (known !== undefined && (hypervisor || !/hyper-v|virtualbox/.test(known[1]))) return known[1];
  return hypervisor ? 'virtual-machine' : undefined;
}

export function machineWords(kind: MachineKind): string {
  return words[kind];
}

const words: Readonly<Record<MachineKind, string>> = {
  'bare-metal': 'a machine of its own (no hypervisor, no container)',
  kvm: 'a KVM guest',
  xen: 'a Xen guest',
  vmware: 'a VMware guest',
  virtualbox: 'a VirtualBox guest',
  'hyper-v': 'a Hyper-V guest',
  'virtual-machine': 'a virtual machine',
  openvz: 'an OpenVZ or Virtuozzo container',
  lxc: 'an LXC container',
  nspawn: 'a container of systemd-nspawn',
  docker: 'a Docker container',
  podman: 'a Podman container',
  kubernetes: "a container of Kubernetes' pods",
  container: 'a container of an unknown kind',
};
