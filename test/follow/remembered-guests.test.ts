import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RememberedGuests } from '../../src/follow/remembered-guests.ts';
import { warning } from '../../src/model/diagnostic.ts';
import { allPorts, type Host } from '../../src/model/host.ts';

const span = { file: '<host>', line: 1, column: 1 };

/** `vnet0=web vnet1` on one bridge. */
function hostOf(words: string): Host {
  const ports = words.split(' ').map((word) => {
    const [name = '', guest] = word.split('=');
    return {
      name,
      bridge: 'virbr0',
      uplink: false,
      span,
      ...(guest === undefined ? {} : { guest, mac: 0x525400100001 }),
    };
  });
  return {
    name: 'host',
    bridges: [{ name: 'virbr0', ports, stp: false, span }],
    interfaces: [],
    routes: [],
    sysctls: {},
    guests: [],
  };
}

/** `vnet0:7`: a device with its number. */
const devicesOf = (words: string) =>
  words.split(' ').map((word) => {
    const [name = '', index = ''] = word.split(':');
    return { name, index: Number(index), bridge: 'virbr0' };
  });

const refused = [warning('libvirt-refused', 'libvirt does not say which guests there are', span)];
const shown = (host: Host) =>
  allPorts(host)
    .map(({ name, guest }) => `${name}=${guest ?? '-'}`)
    .join(' ');

describe('who is behind a port while libvirt does not say it', () => {
  const rows: readonly (readonly [title: string, after: string, devices: string, refuses: boolean, wanted: string])[] =
    [
      ['libvirtd is gone: who was there is there', 'vnet0 vnet1', 'vnet0:7 vnet1:8', false, 'vnet0=web vnet1=db'],
      ['libvirtd refuses: the same', 'vnet0 vnet1', 'vnet0:7 vnet1:8', true, 'vnet0=web vnet1=db'],
      ['a name that another device has is nobody’s', 'vnet0 vnet1', 'vnet0:9 vnet1:8', false, 'vnet0=- vnet1=db'],
      ['a guest that stopped meanwhile is gone', 'vnet1', 'vnet1:8', false, 'vnet1=db'],
      [
        'one that came meanwhile stays closed',
        'vnet0 vnet1 vnet2',
        'vnet0:7 vnet1:8 vnet2:9',
        false,
        'vnet0=web vnet1=db vnet2=-',
      ],
      ['libvirt answers: what it says counts', 'vnet0=web vnet1', 'vnet0:7 vnet1:8', false, 'vnet0=web vnet1=-'],
    ];
  for (const [title, after, devices, refuses, wanted] of rows) {
    test(title, () => {
      const remembered = new RememberedGuests();
      remembered.complete(hostOf('vnet0=web vnet1=db'), devicesOf('vnet0:7 vnet1:8'), [], new Set());
      const host = remembered.complete(hostOf(after), devicesOf(devices), refuses ? refused : [], new Set());
      assert.equal(shown(host), wanted);
    });
  }

  test('just started, and libvirtd is not there: the rules stay as they are', () => {
    const complete = (inhabited: readonly string[], diagnostics = [] as typeof refused) =>
      new RememberedGuests().complete(hostOf('vnet0'), devicesOf('vnet0:7'), diagnostics, new Set(inhabited));
    assert.throws(() => complete(['vnet0']), /the rules stay as they are/);
    assert.throws(() => complete([], refused), /the rules stay as they are/);
    assert.equal(shown(complete(['vnet1'])), 'vnet0=-', 'a host that never had libvirt');
    assert.equal(shown(complete([])), 'vnet0=-');
  });
});
