// A host's guests come, go and change at random: whatever a follower says that is to be changed makes the rules that a
// compilation of the whole host makes, to the last element, number and diagnostic.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Follower } from '../../src/apply/follow/follower.ts';
import { followerSeed } from '../../src/apply/follow/follower-seed.ts';
import { type Target, targetOfText } from '../../src/apply/target.ts';
import type { Diagnostic } from '../../src/model/diagnostic.ts';
import type { Host, Port } from '../../src/model/host.ts';
import { canonical } from '../../src/nft/canonical.ts';
import { parsePolicy } from '../../src/policy/parse-policy.ts';
import { parseHost } from '../../src/topology/host-file.ts';
import { appliedChanges } from '../support/applied-changes.ts';
import { crowdedPlan, hostPlan, textsOf } from '../support/random-hosts.ts';

/** Something that happens to a host; the numbers choose to whom. */
type Happening = { readonly what: (typeof happenings)[number]; readonly to: number; readonly also: number };

const happenings = [
  'a guest stops',
  'a guest starts',
  'a guest starts with another card',
  'a guest starts at another bridge',
  'two guests change their ports',
  'a port is renamed',
  'nobody knows whose port it is',
  'a stranger comes',
  'a card is found out',
  'a copy of a guest starts',
  'an uplink goes',
] as const;

const happening: fc.Arbitrary<Happening> = fc.record({
  what: fc.constantFrom(...happenings),
  to: fc.nat({ max: 30 }),
  also: fc.nat({ max: 30 }),
});

function portsOf({ bridges }: Host): readonly Port[] {
  return bridges.flatMap(({ ports }) => ports);
}

function withPorts(host: Host, change: (port: Port) => readonly Port[]): Host {
  const ports = portsOf(host).flatMap(change);
  return {
    ...host,
    bridges: host.bridges.map((bridge) => ({ ...bridge, ports: ports.filter((port) => port.bridge === bridge.name) })),
  };
}

function withNew(host: Host, port: Port): Host {
  if (portsOf(host).some(({ name }) => name === port.name)) return host;
  return {
    ...host,
    bridges: host.bridges.map((bridge) =>
      bridge.name === port.bridge ? { ...bridge, ports: [...bridge.ports, port] } : bridge,
    ),
  };
}

/** @param first the host with everybody */
function after(host: Host, first: Host, { what, to, also }: Happening): Host {
  const taps = portsOf(host).filter(({ name }) => name.startsWith('vn'));
  const chosen = taps[to % Math.max(1, taps.length)];
  const other = taps[also % Math.max(1, taps.length)];
  const bridge = host.bridges[also % host.bridges.length]?.name ?? '';
  const gone = portsOf(first).filter(
    ({ name, guest }) => guest !== undefined && !taps.some((tap) => tap.name === name || tap.guest === guest),
  );
  const starting = gone[to % Math.max(1, gone.length)];
  const only = (name: string | undefined, change: (port: Port) => readonly Port[]): Host =>
    withPorts(host, (port) => (port.name === name ? change(port) : [port]));
  switch (what) {
    case 'a guest stops':
      return only(chosen?.name, () => []);
    case 'a guest starts':
      return starting === undefined ? host : withNew(host, starting);
    case 'a guest starts with another card':
      return starting === undefined ? host : withNew(host, { ...starting, mac: 0x5254_00aa_0000 + also });
    case 'a guest starts at another bridge':
      return starting === undefined ? host : withNew(host, { ...starting, bridge });
    case 'two guests change their ports':
      return withPorts(host, (port) => {
        if (port.name === chosen?.name) return [{ ...(other ?? port), name: port.name, bridge: port.bridge }];
        return port.name === other?.name ? [{ ...(chosen ?? port), name: port.name, bridge: port.bridge }] : [port];
      });
    case 'a port is renamed':
      return only(chosen?.name, (port) => [{ ...port, name: `vnq${to}${also}` }]);
    case 'nobody knows whose port it is':
      return only(chosen?.name, ({ guest: _nobody, mac: _none, ...port }) => [port]);
    case 'a stranger comes':
      return withNew(host, {
        name: `vns${to}`,
        bridge,
        uplink: false,
        span: host.bridges[0]?.span ?? never(),
        ...(also % 2 === 0 ? { guest: `s${also}` } : {}),
      });
    case 'a card is found out':
      return only(chosen?.name, (port) => [{ ...port, mac: 0x5254_00bb_0000 + to }]);
    case 'a copy of a guest starts':
      return chosen === undefined ? host : withNew(host, { ...chosen, name: `vnc${to}` });
    case 'an uplink goes':
      return withPorts(host, (port) => (port.uplink && also % 4 === 0 ? [] : [port]));
  }
}

function never(): never {
  throw new Error('a host without bridges');
}

type Pins = readonly { readonly guest: number; readonly by: 'port' | 'mac' }[];

/** Some guests are named in the policy by their ports or cards. */
function pinned(policyText: string, host: Host, pins: Pins): string {
  const policy = JSON.parse(policyText);
  const ports = portsOf(host).filter(({ guest }) => guest !== undefined);
  for (const { guest, by } of pins) {
    const port = ports[guest % Math.max(1, ports.length)];
    const one = policy.guests[port?.guest ?? ''];
    if (one === undefined || port === undefined) continue;
    if (by === 'port') one.port = port.name;
    else if (port.mac !== undefined) one.mac = port.mac.toString(16).padStart(12, '0').match(/../g)?.join(':');
  }
  return JSON.stringify(policy);
}

function said(diagnostics: readonly Diagnostic[]): readonly string[] {
  return [...new Set(diagnostics.map(({ code, message }) => `${code} ${message}`))].toSorted();
}

type Told = { steps: number; quiet: number; whole: number; changed: Map<string, number> };

function followed(
  texts: { readonly host: string; readonly policy: string },
  pins: Pins,
  happened: readonly Happening[],
  told: Told,
): void {
  const first = parseHost(texts.host, 'host').value;
  if (first === undefined) return;
  const written = {
    backend: 'nft',
    arp: 'bound',
    policyFile: 'policy',
    policyText: pinned(texts.policy, first, pins),
  } as const;
  const policy = parsePolicy(written.policyText, 'policy');
  const begun = targetOfText(written, first, {});
  if (begun.value === undefined || policy.value === undefined) return;
  // as it comes from the process that compiled it
  const fresh = (target: Target, diagnostics: readonly Diagnostic[]) =>
    new Follower(structuredClone(followerSeed(target, policy.value ?? never(), diagnostics)), target.host);
  let target = begun.value;
  let follower = fresh(target, begun.diagnostics);
  let host = first;
  for (const one of happened) {
    const next = after(host, first, one);
    const whole = targetOfText(written, next, target.numbering);
    const step = follower.step(next);
    if (whole.value === undefined) {
      assert.equal(step, undefined, 'what does not compile is not followed');
      return;
    }
    if (step === undefined) {
      told.whole++;
      follower = fresh(whole.value, whole.diagnostics);
    } else {
      if (step.text === '') told.quiet++;
      else told.changed.set(one.what, (told.changed.get(one.what) ?? 0) + 1);
      assert.deepEqual(appliedChanges(target.ruleset, step.changes), canonical(whole.value.ruleset), one.what);
      assert.deepEqual({ ...target.numbering, ...step.fresh }, whole.value.numbering);
      assert.deepEqual(said(step.diagnostics), said(whole.diagnostics), one.what);
    }
    told.steps++;
    target = whole.value;
    host = next;
  }
}

const pins: fc.Arbitrary<Pins> = fc.array(
  fc.record({ guest: fc.nat({ max: 20 }), by: fc.constantFrom('port', 'mac') }),
  { maxLength: 3 },
);

/** By the seed, if there is one: to see a failure again. */
const runs = { ...(process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) }), endOnFailure: true };

test('few guests: what is followed is what is compiled', () => {
  const told: Told = { steps: 0, quiet: 0, whole: 0, changed: new Map() };
  fc.assert(
    fc.property(hostPlan, pins, fc.array(happening, { maxLength: 6 }), (plan, some, happened) =>
      followed(textsOf(plan), some, happened, told),
    ),
    { ...runs, numRuns: 200 },
  );
  assert.ok(told.changed.size >= 5 && told.quiet > 50, `changed by ${told.changed.size} kinds, ${told.quiet} quiet`);
});

test('crowded bridges: much of what happens is a few elements', () => {
  const told: Told = { steps: 0, quiet: 0, whole: 0, changed: new Map() };
  fc.assert(
    fc.property(crowdedPlan, pins, fc.array(happening, { minLength: 4, maxLength: 8 }), (plan, some, happened) =>
      followed(textsOf(plan), some, happened, told),
    ),
    { ...runs, numRuns: 100 },
  );
  const counts = [...told.changed.values()].reduce((sum, count) => sum + count, 0);
  assert.ok(told.changed.size >= 7, `only ${[...told.changed.keys()].join(', ')} were followed`);
  assert.ok(counts > told.whole, `${counts} of ${told.steps} were followed, ${told.whole} were not`);
});
