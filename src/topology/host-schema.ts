// The shape of host.yaml, declared once: it finds faults, and editors get it as JSON Schema.
import { z } from 'zod';
import { oneOrMore, word } from '../yaml/shape.ts';
import {
  interfacePattern,
  macPattern,
  namePattern,
  readAddress,
  readDestination,
  readInterface,
  readMac,
  readName,
  readPrefix,
  readSysctlValue,
} from '../yaml/words.ts';

const interfaceName = z.string().meta({ pattern: interfacePattern });

const peer = word(readInterface, {
  description: 'The other end of the veth pair, if it is on this host too',
  pattern: interfacePattern,
});

const port = z
  .strictObject({
    guest: word(readName, { description: 'The guest behind the port', pattern: namePattern }).optional(),
    mac: word(readMac, { description: "The MAC of the guest's card, not of the tap", pattern: macPattern }).optional(),
    peer: peer.optional(),
    uplink: z.boolean().meta({ description: 'What is behind the port is outside of this host' }).optional(),
  })
  .meta({ description: 'A bridge port: a guest, one end of a veth pair, or an uplink; {} if nobody knows' });

const bridge = z
  .strictObject({
    stp: z.boolean().meta({ description: 'The bridge speaks the spanning tree protocol' }).optional(),
    managed: z.boolean().meta({ description: 'Its ports are bound also while no guest is on it' }).optional(),
    ports: z
      .record(interfaceName, port)
      .meta({ description: 'The ports, in the order in which they were enslaved' })
      .optional(),
  })
  .meta({ description: 'A bridge of the host' });

const hostInterface = z
  .strictObject({
    mac: word(readMac, { description: 'The MAC of the interface', pattern: macPattern }).optional(),
    peer: peer.optional(),
    addresses: oneOrMore(
      word(readPrefix, { description: 'An address with its prefix length', examples: ['192.168.50.1/24'] }),
    ).optional(),
  })
  .meta({ description: 'An interface with which the host itself takes part in a network' });

const reported = (description: string) => oneOrMore(word(readAddress, { description })).optional();

const card = z
  .strictObject({
    mac: word(readMac, { description: 'The MAC of the card', pattern: macPattern }),
    bridge: word(readInterface, { description: 'The bridge that it is on', pattern: interfacePattern }).optional(),
    reservation: reported("What the network's DHCP server keeps for it"),
    filter: reported('What its filterref allows'),
    agent: reported('What the guest itself says, by its agent'),
  })
  .meta({ description: 'A network card, and addresses that somebody gives for it' });

const guest = z
  .strictObject({
    running: z.boolean().meta({ description: 'It runs now' }).optional(),
    cards: z.array(card).meta({ description: 'Its network cards on bridges' }).optional(),
  })
  .meta({ description: 'A guest that the hypervisor knows; the ports of a running one name it' });

const route = z
  .strictObject({
    to: word(readDestination, { description: 'A network, or default', examples: ['default', '10.0.0.0/8'] }),
    via: word(readAddress, { description: 'The gateway', examples: ['192.168.0.1'] }).optional(),
    dev: word(readInterface, { description: 'The interface of the host', pattern: interfacePattern }).optional(),
  })
  .meta({ description: 'A route of the main table' });

const sysctlValue = z.union([word(readSysctlValue, { description: 'The value' }), z.number()]);

export const hostSchema = z
  .strictObject({
    host: word(readName, { description: 'The name of the host', pattern: namePattern }),
    bridges: z.record(interfaceName, bridge).meta({ description: 'The bridges, by name' }).optional(),
    interfaces: z
      .record(interfaceName, hostInterface)
      .meta({ description: "The host's own interfaces, by name; a bridge device may be one" })
      .optional(),
    routes: z.array(route).meta({ description: 'The routes of the main table' }).optional(),
    guests: z
      .record(z.string().meta({ pattern: namePattern }), guest)
      .meta({ description: 'The guests that the hypervisor knows, running or not' })
      .optional(),
    sysctls: z
      .record(z.string(), sysctlValue)
      .meta({ description: 'Kernel settings that decide how packets go' })
      .optional(),
  })
  .meta({ title: 'Bridgekeeper host', description: 'What a host shows of itself: bridges, ports, interfaces, routes' });
