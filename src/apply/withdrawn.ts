// The rules that may be taken back, and those that come back then -> a table that says which connections end with them,
// and the few lines of sh and awk that read it: the timer has neither Node nor the simulator.
import type { Host } from '../model/host.ts';

import {
  type IpSet,
  intersectIps,
  noIps,
  ofFamily,
  prefixRange,
  printIpSet,
  singleIps,
  subtractIps,
  unionIps,
} from '../model/ip-set.ts';
import type { Service } from '../model/policy.ts';
import { type Flow, type ListRule, type RuleList, rulesOf } from '../model/rule-list.ts';
import { protocolNumbers } from '../model/service.ts';
import { unreachable } from '../model/unreachable.ts';

/**
 * Lines for `cutProgram`: `set NUMBER FIRST LAST`, then `new` and `old` with SOURCES DESTINATIONS PROTOCOL LOW HIGH.
 * A connection ends that a `new` line allows and no `old` one. Empty when nothing that was allowed is taken back.
 */
export function withdrawnTable(
  { list: from, host }: { readonly list: RuleList; readonly host: Host },
  back: RuleList,
): string {
  const before = rows(reachingFlows(back, back, host));
  const known = new Set(before.map(rowKey));
  const added = rows(reachingFlows(from, back, host)).filter((row) => !known.has(rowKey(row)));
  return added.length === 0 ? '' : printed([...added.map(asNew), ...before.map(asOld)]);
}

/** What a list allows at places where the rules that come back have a say: what only others manage is allowed by them. */
function reachingFlows(list: RuleList, back: RuleList, host: Host): readonly Flow[] {
  const managed = managedPlaces(back);
  return rulesOf(list)
    .filter(
      ({ place }) => place.kind !== 'everywhere' && managed.has(place.kind === 'port' ? place.bridge : place.ifname),
    )
    .flatMap((rule) => flowsOf(rule).map((flow) => withinReach(flow, rule, list, host)));
}

function managedPlaces({ ground: { bridges, facing, ruled } }: RuleList): ReadonlySet<string> {
  return new Set([...bridges.map(({ name }) => name), ...facing, ...ruled]);
}

function flowsOf({ check, verdict }: ListRule): readonly Flow[] {
  return check.kind === 'new-flows' && verdict === 'accept' ? check.flows : [];
}

/** The host's own connections by an interface are those to where its routes lead: others go by other interfaces. */
function withinReach(flow: Flow, { place }: ListRule, { ground }: RuleList, host: Host): Flow {
  if (place.kind !== 'host' || !ground.ruled.includes(place.ifname)) return flow;
  const there = reachedBy(place.ifname, host);
  return place.direction === 'out'
    ? { ...flow, destination: intersectIps(flow.destination, there) }
    : { ...flow, source: intersectIps(flow.source, there) };
}

/** The longest prefix decides, as ip-route(8) says. */
function reachedBy(ifname: string, { interfaces, routes }: Host): IpSet {
  const direct = interfaces.flatMap(({ name, addresses }) => addresses.map((to) => ({ to, dev: name })));
  const ways = [...direct, ...routes.map(({ to, dev }) => ({ to, dev }))].filter(({ to }) => to.family === 4);
  const own = singleIps(interfaces.flatMap(({ addresses }) => addresses));
  const there = ways
    .toSorted((a, b) => a.to.length - b.to.length)
    .reduce<IpSet>((found, { to, dev }) => {
      const range = [prefixRange(to)];
      return dev === undefined || dev === ifname ? unionIps(found, range) : subtractIps(found, range);
    }, noIps);
  return subtractIps(there, own);
}

type Row = Flow & { readonly words: string };

/** Flows that differ in their sources only are one. */
function rows(flows: readonly Flow[]): readonly Row[] {
  const groups = Map.groupBy(
    flows,
    ({ destination, service }) => `${printIpSet(destination)} ${serviceWords(service)}`,
  );
  return [...groups.values()]
    .flatMap((some) => {
      const [first] = some;
      if (first === undefined) return [];
      const source = unionIps(...some.map((flow) => flow.source));
      return [{ ...first, source, words: serviceWords(first.service) }];
    })
    .filter(({ source, destination }) => source.length > 0 && destination.length > 0);
}

function rowKey({ source, destination, words }: Row): string {
  return `${printIpSet(source)} ${printIpSet(destination)} ${words}`;
}

/** Protocol, then the range of ports, or type and code; `*` for any. */
function serviceWords(service: Service): string {
  switch (service.kind) {
    case 'any':
      return '* * *';
    case 'icmp':
      return `${protocolNumbers.icmp} ${service.type} ${service.code ?? '*'}`;
    case 'tcp':
    case 'udp':
      return `${protocolNumbers[service.kind]} ${service.dport.first} ${service.dport.last}`;
    case 'protocol':
      return `${service.protocol} * *`;
    default:
      return unreachable(service);
  }
}

type Said = { readonly word: 'new' | 'old'; readonly row: Row };

function asNew(row: Row): Said {
  return { word: 'new', row };
}

function asOld(row: Row): Said {
  return { word: 'old', row };
}

/** Each set of addresses once. */
function printed(rules: readonly Said[]): string {
  const sets = new Map<string, { readonly number: number; readonly ips: IpSet }>();
  const numberOf = (ips: IpSet): number => {
    const key = printIpSet(ips);
    const known = sets.get(key) ?? { number: sets.size + 1, ips };
    sets.set(key, known);
    return known.number;
  };
  const lines = rules.map(
    ({ word, row }) => `${word} ${numberOf(row.source)} ${numberOf(row.destination)} ${row.words}\n`,
  );
  const ranges = [...sets.values()].flatMap(({ number, ips }) =>
    ofFamily(ips, 4).map(({ first, last }) => `set ${number} ${first} ${last}\n`),
  );
  return [...ranges, ...lines].join('');
}

/** Reads the table, then what `conntrack -L -o extended` lists; prints what `conntrack` shall delete. */
export const cutProgram = `
function bits(address, octets) {
  split(address, octets, ".")
  return ((octets[1] * 256 + octets[2]) * 256 + octets[3]) * 256 + octets[4]
}
function contains(set, ip, low, high, at) {
  low = 1
  high = count[set]
  while (low <= high) {
    at = int((low + high) / 2)
    if (ip < first[set, at]) high = at - 1
    else if (ip > last[set, at]) low = at + 1
    else return 1
  }
  return 0
}
function allows(word, i) {
  for (i = 1; i <= rules[word]; i++) {
    if (proto[word, i] != "*" && proto[word, i] != $4) continue
    if ($4 == 1 && low[word, i] != "*") {
      if (low[word, i] != value["type"] || (high[word, i] != "*" && high[word, i] != value["code"])) continue
    } else if (low[word, i] != "*" && (port < low[word, i] + 0 || port > high[word, i] + 0)) continue
    if (contains(from[word, i], source) && contains(to[word, i], destination)) return 1
  }
  return 0
}
function say(name, option) {
  return name in value ? " " option " " value[name] : ""
}
$1 == "set" {
  at = ++count[$2]
  first[$2, at] = $3 + 0
  last[$2, at] = $4 + 0
}
$1 == "new" || $1 == "old" {
  at = ++rules[$1]
  from[$1, at] = $2
  to[$1, at] = $3
  proto[$1, at] = $4
  low[$1, at] = $5
  high[$1, at] = $6
}
$1 == "ipv4" {
  split("", value)
  split("", reply)
  zone = 0
  for (i = 5; i <= NF; i++) {
    at = index($i, "=")
    if (at == 0) continue
    name = substr($i, 1, at - 1)
    if (name == "zone") zone = substr($i, at + 1)
    else if (!(name in value)) value[name] = substr($i, at + 1)
    else if (!(name in reply)) reply[name] = substr($i, at + 1)
  }
  # translated or not: the rules see where it goes to in the end
  source = bits(value["src"])
  destination = bits(reply["src"])
  port = reply["sport"] + 0
  if (!allows("new") || allows("old")) next
  print "-D -p " $4 " -s " value["src"] " -d " value["dst"] say("sport", "--sport") say("dport", "--dport") \\
    say("type", "--icmp-type") say("code", "--icmp-code") ($4 == 1 ? say("id", "--icmp-id") : "") \\
    say("srckey", "--srckey") say("dstkey", "--dstkey") " -w " zone
}
`.trimStart();

/** When the rules before are back; whatever goes wrong here, they stay. */
export const cutScript = `#!/bin/sh
# Ends the connections that only the rules in the directory $1 allowed which were taken back.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
cd "$1" || exit 0
conntrack -L -f ipv4 -o extended 2>/dev/null | awk -f cut.awk withdrawn - >cut
[ -s cut ] || exit 0
if [ "$(wc -l <cut)" -gt 8 ]; then
  # the tool needs some 10 ms for each
  python3 delete-flows.py cut 2>/dev/null && exit 0
fi
conntrack -R cut >/dev/null 2>&1 && exit 0
# an older one takes no batch
while read -r words; do
  # shellcheck disable=SC2086 # several words
  conntrack $words >/dev/null 2>&1
done <cut
exit 0
`;
