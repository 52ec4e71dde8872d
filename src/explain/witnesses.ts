// What earlier lines say of those who look like attackers. Who sends a frame chooses its destination MAC: one frame with the
// MAC of another guest makes that guest look like the attacker. So the MAC counts only together with a second witness.
import { type Evidence, type Explanation, type Finding, type Party, partyKey } from './explanation.ts';

/** As many as there are names in host and policy. */
type Names = Map<string, Set<string>>;

export class Witnesses {
  /** Who sent by a port of his own what claims to be another's -> whose names he used. */
  readonly #used: Names = new Map();
  /** Whose MAC was on frames that were meant for others -> who sent them, by ports of their own. */
  readonly #misled: Names = new Map();

  /** Of a line that has been explained; what lines say together is asked of the next one. */
  learn({ findings }: Explanation): void {
    for (const finding of findings) this.#learn(finding);
  }

  #learn(finding: Finding): void {
    switch (finding.kind) {
      case 'relayed':
        for (const { party } of finding.victims) add(this.#used, finding.attacker, party);
        break;
      case 'forged-source':
        add(this.#used, finding.by, finding.source.party);
        break;
      case 'forged-arp':
        add(this.#used, finding.by, finding.claimed.party);
        break;
      case 'forged-mac':
        add(this.#used, finding.by, finding.owner);
        break;
      case 'redirected':
        if (finding.certain && finding.attacker.kind === 'party')
          add(this.#misled, finding.attacker.party, finding.sender);
        break;
      default:
        break;
    }
  }

  /** What else speaks against `attacker`, when `sender` sent him what was for one of `victims`. */
  against(attacker: Party, sender: Party | undefined, victims: readonly (Party | undefined)[]): Evidence {
    const used = this.#used.get(partyKey(attacker));
    if (victims.some((victim) => victim !== undefined && used?.has(partyKey(victim)) === true)) return 'own-port';
    const misled = [...(this.#misled.get(partyKey(attacker)) ?? [])];
    const others = sender === undefined ? misled.slice(1) : misled.filter((one) => one !== partyKey(sender));
    return others.length > 0 ? 'senders' : 'mac';
  }
}

function add(names: Names, of: Party | undefined, name: Party | undefined): void {
  if (of === undefined || name === undefined) return;
  const known = names.get(partyKey(of)) ?? new Set();
  names.set(partyKey(of), known.add(partyKey(name)));
}
