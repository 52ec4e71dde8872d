// Every attack that the simulator knows, on hosts of all shapes, with both back ends: the lines that it predicts name the
// attacker and both victims, and the lines of honest traffic name nobody.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attributionOf } from '../../src/explain/attribution.ts';
import { explainEvent } from '../../src/explain/explain.ts';
import { Explainer } from '../../src/explain/explainer.ts';
import type { Site } from '../../src/explain/site.ts';
import { lowerIptables } from '../../src/iptables/lower.ts';
import type { Ip } from '../../src/model/ip.ts';
import type { LogEvent } from '../../src/model/log-event.ts';
import type { RuleList } from '../../src/model/rule-list.ts';
import type { Ruleset } from '../../src/model/ruleset.ts';
import { lowerNft } from '../../src/nft/lower.ts';
import { type Attack, attackSteps, attacksOn } from '../../src/simulate/attacks.ts';
import { performAll } from '../../src/simulate/perform.ts';
import { sceneOf } from '../../src/simulate/scene.ts';
import { World } from '../../src/simulate/world.ts';
import { compiledFrom, exampleTexts, factsOf, type Texts } from '../support/compiled.ts';
import { topologies } from '../support/topologies.ts';
import { eventOf, namedBy, siteOf } from './lines.ts';

type Variant = 'iptables' | 'nft' | 'nft with ARP';

function rulesetOf(list: RuleList, variant: Variant): Ruleset {
  if (variant === 'iptables') return lowerIptables(list);
  return lowerNft(list, { arp: variant === 'nft' ? 'unchecked' : 'bound' });
}

type Count = { named: number; suspected: number; floods: number; honest: number };

/** A lie of the attacker, a frame to his card that is not for him, or one from it that is not his. */
function isPartOf({ attacker }: Attack, { arp, mac, packet }: LogEvent): boolean {
  if (arp !== undefined) return arp.senderMac === attacker.mac && !isSame(arp.senderIp, attacker.ip);
  const isCaught = mac?.destination === attacker.mac && !isSame(packet?.dst, attacker.ip);
  return isCaught || (mac?.source === attacker.mac && !isSame(packet?.src, attacker.ip));
}

function isSame(ip: Ip | null | undefined, other: Ip): boolean {
  return ip?.bits === other.bits;
}

function lookAt(attack: Attack, texts: Texts, site: Site, variant: Variant, count: Count): void {
  const { policy, host } = factsOf(texts);
  const { list } = compiledFrom({ policy, host });
  const world = new World(sceneOf(policy, host), rulesetOf(list, variant));
  const results = performAll(world, attackSteps(attack, { first: 1 }));
  const explainer = new Explainer(site);
  for (const text of results.flatMap(({ lines }) => lines)) {
    const event = eventOf(text);
    const explanation = explainer.explain(event);
    const { rule, line, doubt, culprit, suspect, victims } = attributionOf(explanation);
    assert.ok(rule !== undefined && line !== undefined, `no rule is known for ${text}`);
    if (doubt === 'flooded') count.floods++;
    else if (isPartOf(attack, event)) {
      count[culprit === undefined ? 'suspected' : 'named']++;
      assert.equal(culprit ?? suspect, attack.attacker.node, text);
      assert.deepEqual(new Set(victims), new Set(attack.victims.map(({ node }) => node)), text);
    } else {
      count.honest++;
      assert.equal(doubt, undefined, text);
      assert.equal(namedBy(explanation), undefined, text);
    }
  }
}

const sites: Readonly<Record<string, Texts>> = { 'two-bridge': exampleTexts(), ...topologies };
const total: Count = { named: 0, suspected: 0, floods: 0, honest: 0 };

for (const [name, texts] of Object.entries(sites)) {
  for (const variant of ['iptables', 'nft', 'nft with ARP'] as const) {
    test(`${name}, ${variant}`, () => {
      const { policy, host } = factsOf(texts);
      const site = siteOf(texts);
      const attacks = attacksOn(sceneOf(policy, host));
      // between two networks the host is nobody's man in the middle, but the router
      const real = name === 'routed' ? attacks.filter(({ attacker }) => attacker.node !== 'host') : attacks;
      for (const attack of real) lookAt(attack, texts, site, variant, total);
    });
  }
}

test('the router between two networks is no attacker', () => {
  const site = siteOf(topologies.routed);
  const text =
    'RULE 22 -- DENY IN=virbr0 OUT=virbr1 PHYSIN=vnet0 MAC=52:54:00:00:00:01:52:54:00:00:00:10:08:00 SRC=192.168.100.10 DST=192.168.101.10 LEN=84 TOS=0x00 PREC=0x00 TTL=63 ID=0 DF PROTO=ICMP TYPE=8 CODE=0 ID=1 SEQ=1 ';
  const { culprit, findings } = explainEvent(eventOf(text), site);
  assert.equal(culprit, undefined);
  assert.deepEqual(
    findings.map(({ kind }) => kind),
    ['decision', 'packet', 'rule'],
  );
});

test('attackers were named, and honest lines were seen', () => {
  assert.ok(total.named > 100 && total.suspected > 50 && total.honest > 50, JSON.stringify(total));
});
