// The shape of policy.yaml, declared once: it finds faults, and editors get it as JSON Schema.
import { z } from 'zod';
import { type AddressSource, addressSources } from '../model/host.ts';
import { suggestion } from '../model/nearest.ts';
import { reservedNames } from '../model/policy.ts';
import { quoted } from '../yaml/quoted.ts';
import { oneOrMore, word } from '../yaml/shape.ts';
import {
  interfacePattern,
  macPattern,
  namePattern,
  type Read,
  readAddress,
  readAddresses,
  readInterface,
  readInterfacePattern,
  readMac,
  readName,
  wrong,
} from '../yaml/words.ts';
import { readService, serviceNames } from './service.ts';

/** Who may stand on a side of a permission or in a group. */
export function readMember(text: string): Read<string> {
  if (text !== 'none') return readName(text);
  return wrong('reserved-name', "'none' is nobody: it has no meaning here");
}

/** Who answers DHCP requests. */
export function readDhcp(text: string): Read<string> {
  if (text !== 'guests' && text !== 'any') return readName(text);
  return wrong('reserved-name', `${quoted(text)} cannot be the DHCP server`, 'name one machine, host, or none');
}

/** Whom to believe about a guest's addresses. */
export function readAddressSource(text: string): Read<AddressSource> {
  const source = addressSources.find((one) => one === text);
  if (source !== undefined) return { value: source };
  const hint = suggestion(text, addressSources) ?? `known are: ${addressSources.join(', ')}`;
  return wrong('unknown-name', `nobody ${quoted(text)} gives addresses`, hint);
}

/** A name that the policy gives to somebody. */
export function readNewName(text: string): Read<string> {
  if (!reservedNames.some((reserved) => reserved === text)) return readName(text);
  return wrong('reserved-name', `the name ${quoted(text)} has a meaning of its own`, 'take another name');
}

const newName = z.string().meta({ pattern: namePattern.replace('^', `^(?!(?:${reservedNames.join('|')})$)`) });

const interfaceWord = (description: string) => word(readInterface, { description, pattern: interfacePattern });

const guest = z
  .strictObject({
    ip: oneOrMore(
      word(readAddress, { description: 'An address that the guest may have', examples: ['192.168.50.12'] }),
    ).optional(),
    'addresses-from': oneOrMore(
      word(readAddressSource, {
        description:
          'Whom to believe about its addresses: reservation (DHCP) or filter (filterref) of libvirt, or agent, which is the guest itself',
        pattern: `^(?:${addressSources.join('|')})$`,
        examples: [...addressSources],
      }),
    ).optional(),
    mac: word(readMac, {
      description: "The MAC of the guest's card; leave it out to take the one that the host shows",
      pattern: macPattern,
    }).optional(),
    port: interfaceWord('The bridge port of the guest; leave it out to take the one that the host shows').optional(),
  })
  .meta({
    description: 'A guest of this host and the addresses that it may have',
    anyOf: [{ required: ['ip'] }, { required: ['addresses-from'] }],
  });

const outsideMachine = z
  .strictObject({
    ip: oneOrMore(
      word(readAddresses, {
        description: 'An address, a network or a range of addresses',
        examples: ['192.168.0.37', '10.0.0.0/8', '10.0.0.1-10.0.0.9'],
      }),
    ),
    behind: interfaceWord('The interface, bridge or port of the host that leads to the machine'),
  })
  .meta({ description: 'A machine or network that is no guest of this host' });

const member = word(readMember, {
  description: 'A guest, an outside machine, a group, a bridge (its guests), host, guests or any',
  pattern: namePattern,
});

const permission = z
  .strictObject({
    from: oneOrMore(member).meta({ description: 'Who opens the connection' }),
    to: oneOrMore(member).meta({ description: 'Who answers it' }),
    via: interfaceWord("Only by this interface of the host; for the host's own connections").optional(),
    service: oneOrMore(
      word(readService, {
        description: 'A service name, tcp/PORT, udp/FIRST-LAST, icmp/TYPE, icmp/TYPE/CODE, proto/NUMBER or any',
        examples: [...serviceNames, 'tcp/8080', 'udp/5000-5010', 'icmp/3/4', 'proto/47'],
      }),
    ).optional(),
    log: z.boolean().meta({ description: 'Log the first packet of each connection' }).optional(),
    id: word(readName, {
      description: 'A lasting name for this line; otherwise one is made of its words',
      pattern: namePattern,
    }).optional(),
  })
  .meta({ description: 'New connections from one side to the other, and their replies' });

export const policySchema = z
  .strictObject({
    guests: z.record(newName, guest).meta({ description: 'The guests of this host, by name' }).optional(),
    outside: z.record(newName, outsideMachine).meta({ description: 'Machines that are no guests, by name' }).optional(),
    groups: z.record(newName, z.array(member)).meta({ description: 'Names for several at once' }).optional(),
    allow: z.array(permission).meta({ description: 'What is allowed; everything else is denied' }).optional(),
    dhcp: word(readDhcp, {
      description: 'Who answers DHCP requests: host (default), none, a guest or an outside machine',
      pattern: namePattern,
    }).optional(),
    'guest-ports': z
      .array(
        word(readInterfacePattern, {
          description: "Interface names, a trailing '*' stands for any ending",
          pattern: '^[A-Za-z0-9_.-]{1,15}\\*?$',
          examples: ['vnet*', 'tap*'],
        }),
      )
      .meta({ description: 'Bridge ports that stay closed until a guest is known behind them' })
      .optional(),
    'restore-drift': z
      .boolean()
      .meta({ description: 'Whether serve puts right what somebody else changed in the loaded rules (default: true)' })
      .optional(),
  })
  .meta({ title: 'Bridgekeeper policy', description: 'Who has which address, and who may connect to whom' });
