// What kind of machine: one row a kind, and those that look like another one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MachineClues, type MachineKind, machineKind, machineWords } from '../../src/doctor/machine-kind.ts';
import { container, guest } from './machine-facts.ts';

const bare: MachineClues = {
  ...guest,
  hypervisor: false,
  hardware: 'Dell Inc.\nPowerEdge R630\ntsc hpet acpi_pm\nnone',
};
const inside = container('');

const rows: readonly (readonly [want: MachineKind, what: string, clues: MachineClues])[] = [
  ['bare-metal', 'a server', bare],
  ['bare-metal', 'a laptop of Microsoft', { ...bare, hardware: 'Microsoft Corporation\nSurface Laptop 4' }],
  ['bare-metal', 'an OpenVZ node', { ...bare, envId: '0', marks: ['/proc/vz', '/proc/bc'] }],
  ['bare-metal', 'a host of containers', { ...bare, marks: ['/run/systemd/system'], controlGroups: '0::/user.slice' }],
  ['kvm', 'QEMU and KVM', guest],
  ['kvm', 'a cloud by its vendor', { ...guest, hardware: 'Amazon EC2\nc5.large' }],
  ['kvm', 'no DMI: the clock tells', { ...guest, hardware: 'tsc kvm-clock' }],
  ['kvm', 'a container image booted as a machine', { ...guest, marks: ['/.dockerenv'] }],
  ['xen', 'a Xen guest', { ...guest, hardware: 'xen\nXen\nHVM domU' }],
  ['vmware', 'a VMware guest', { ...guest, hardware: 'VMware, Inc.\nVMware Virtual Platform' }],
  ['virtualbox', 'a VirtualBox guest', { ...guest, hardware: 'innotek GmbH\nVirtualBox' }],
  ['hyper-v', 'a Hyper-V guest', { ...guest, hardware: 'Microsoft Corporation\nVirtual Machine' }],
  ['virtual-machine', 'QEMU without KVM', { ...guest, hardware: 'QEMU\nStandard PC' }],
  ['virtual-machine', 'a hypervisor without a name', { ...guest, hardware: '' }],
  ['openvz', 'by envID', { ...inside, envId: '101' }],
  ['openvz', 'by /proc/vz; old kernels show no namespaces', { ...bare, kernelThreads: false, marks: ['/proc/vz'] }],
  ['openvz', 'by the word of systemd', container('openvz')],
  ['lxc', 'by the word of its manager', container('lxc')],
  ['lxc', 'by its control group', { ...inside, controlGroups: '1:name=systemd:/lxc/web' }],
  ['lxc', "by LXD's socket", { ...inside, marks: ['/dev/lxd/sock'] }],
  ['nspawn', 'systemd-nspawn', container('systemd-nspawn')],
  ['docker', 'by its mark', { ...inside, marks: ['/.dockerenv'] }],
  ['docker', 'by its control group', { ...inside, controlGroups: '4:memory:/docker/0123abcd' }],
  ['podman', 'by its mark', { ...inside, marks: ['/run/.containerenv'] }],
  ['podman', 'by the word of its manager', container('podman')],
  ['kubernetes', 'by its control group', { ...inside, controlGroups: '0::/kubepods/burstable/pod1' }],
  ['container', 'a pid namespace and nothing else', inside],
  ['container', 'a manager that is not known here', container('rkt')],
];

for (const [want, what, clues] of rows) test(`${want}: ${what}`, () => assert.equal(machineKind(clues), want));

test('every kind occurs, and has its words', () => {
  const kinds = new Set(rows.map(([kind]) => kind));
  assert.equal(kinds.size, 14);
  for (const kind of kinds) assert.match(machineWords(kind), /^an? /);
});
