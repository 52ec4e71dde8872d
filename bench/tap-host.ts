// A host that is really there: bridges in a row with a cable between each two, and a tap for each guest.

/** For `ip -batch`. */
export function cables(bridges: number): readonly string[] {
  return Array.from({ length: bridges }, (_, at) => [
    `link add br${at} address 52:54:ff:00:00:${String(at).padStart(2, '0')} up type bridge`,
    ...(at === 0
      ? []
      : [
          `link add l${at}a type veth peer name l${at}b`,
          `link set l${at}a master br${at - 1} up`,
          `link set l${at}b master br${at} up`,
        ]),
  ]).flat();
}

export function portLines(guest: number, bridges: number): readonly string[] {
  return [`tuntap add dev p${guest} mode tap`, `link set p${guest} master br${guest % bridges} up`];
}

/** Addresses are scattered, so that no two of them merge into a range. */
export function policyText(count: number): string {
  const guests = Array.from({ length: count }, (_, guest) => {
    const address = 2 * guest + 2;
    const ip = `10.${1 + (address >> 16)}.${(address >> 8) & 255}.${address & 255}`;
    return `  g${guest}: { ip: ${ip}, port: p${guest}, mac: "${macOf(guest)}" }`;
  });
  const allow = ['{ from: guests, to: guests, service: ping }', '{ from: guests, to: g0, service: http }'];
  return ['guests:', ...guests, 'allow:', ...allow.map((line) => `  - ${line}`), 'dhcp: none', ''].join('\n');
}

function macOf(guest: number): string {
  return `52:54:00:${[16, 8, 0].map((shift) => ((guest >> shift) & 255).toString(16).padStart(2, '0')).join(':')}`;
}
