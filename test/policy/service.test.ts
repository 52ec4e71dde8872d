import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Service } from '../../src/model/policy.ts';
import { unreachable } from '../../src/model/unreachable.ts';
import { readService, serviceNames } from '../../src/policy/service.ts';

function print(service: Service): string {
  switch (service.kind) {
    case 'any':
      return 'any';
    case 'icmp':
      return `icmp ${service.type}${service.code === undefined ? '' : `/${service.code}`}`;
    case 'tcp':
    case 'udp':
      return `${service.kind} ${service.dport.first}-${service.dport.last}`;
    case 'protocol':
      return `protocol ${service.protocol}`;
    default:
      return unreachable(service);
  }
}

const rows: readonly (readonly [text: string, want: string])[] = [
  ['any', 'any'],
  ['ping', 'icmp 8'],
  ['port-unreachable', 'icmp 3/3'],
  ['http', 'tcp 80-80'],
  ['https', 'tcp 443-443'],
  ['ssh', 'tcp 22-22'],
  ['dns', 'tcp 53-53, udp 53-53'],
  ['ntp', 'udp 123-123'],
  ['smtp', 'tcp 25-25'],
  ['gre', 'protocol 47'],
  ['tcp/8080', 'tcp 8080-8080'],
  ['udp/5000-5010', 'udp 5000-5010'],
  ['tcp/1-65535', 'tcp 1-65535'],
  ['icmp/8', 'icmp 8'],
  ['icmp/3/4', 'icmp 3/4'],
  ['icmp/0/0', 'icmp 0/0'],
  ['proto/47', 'protocol 47'],
  ['tcp', 'bad-service'],
  ['HTTP', 'bad-service'],
  ['toString', 'bad-service'],
  ['__proto__', 'bad-service'],
  ['', 'bad-service'],
  ['80', 'bad-service'],
  ['tcp/', 'bad-port-range'],
  ['tcp/0', 'bad-port-range'],
  ['tcp/080', 'bad-port-range'],
  ['tcp/65536', 'bad-port-range'],
  ['tcp/9-1', 'bad-port-range'],
  ['tcp/1-2-3', 'bad-port-range'],
  ['tcp/-1', 'bad-port-range'],
  ['tcp/ 80', 'bad-port-range'],
  ['tcp/80/tcp', 'bad-port-range'],
  ['tcp/constructor', 'bad-port-range'],
  ['icmp/256', 'bad-service'],
  ['icmp/8/', 'bad-service'],
  ['icmp/8/0/0', 'bad-service'],
  ['proto/6', 'bad-service'],
  ['proto/256', 'bad-service'],
  ['sctp/80', 'bad-service'],
];

test('services are read as what a packet must be', () => {
  for (const [text, want] of rows) {
    const read = readService(text);
    assert.equal('value' in read ? read.value.map(print).join(', ') : read.fault.code, want, text);
  }
});

test('every name in the table is a service that carries this name', () => {
  assert.ok(serviceNames.length > 50);
  for (const name of serviceNames) {
    const read = readService(name);
    assert.ok('value' in read && read.value.length > 0, name);
    for (const service of read.value) assert.equal(service.name, name);
  }
});
