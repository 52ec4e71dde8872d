// The text that printNft prints -> Ruleset. A recursive descent with the place of every fault; a faulty line is left
// out and reported, and the reading goes on with the next. For what the kernel lists there is parse-json.ts.
import type { Checked, Diagnostic } from '../model/diagnostic.ts';
import { type FieldType, fieldTypes } from '../model/field.ts';
import type {
  BasePolicy,
  Chain,
  Element,
  HookName,
  KernelRule,
  NamedSet,
  Ruleset,
  Table,
  TableFamily,
  Verdict,
  VerdictMap,
} from '../model/ruleset.ts';
import { Cursor, SyntaxFault } from './cursor.ts';
import { readInteger, readRule, readValue } from './parse-expression.ts';
import { tokensOf } from './tokens.ts';

/** Never throws on any text. The value is there also when lines were left out; look at the diagnostics. */
export function parseNft(text: string, file: string): Checked<Ruleset> {
  const reader = new Reader(text, file);
  const tables = reader.tables();
  return { value: { backend: 'nft', tables }, diagnostics: reader.diagnostics };
}

const families: readonly TableFamily[] = ['ip', 'ip6', 'inet', 'bridge', 'arp', 'netdev'];
const hooks: readonly HookName[] = ['prerouting', 'input', 'forward', 'output', 'postrouting', 'ingress'];
const policies: readonly BasePolicy[] = ['accept', 'drop'];
const chainTypes = ['filter', 'nat', 'route'] as const;
const setTypes: readonly FieldType[] = [...new Set(Object.values(fieldTypes))];

class Reader {
  readonly diagnostics: Diagnostic[] = [];
  readonly #cursor: Cursor;

  constructor(text: string, file: string) {
    this.#cursor = new Cursor(text, tokensOf(text, file));
  }

  tables(): readonly Table[] {
    const tables: Table[] = [];
    this.#lines('end', () => {
      const removes = this.#cursor.take('add') || this.#cursor.take('delete');
      this.#cursor.expect('table');
      const family = this.#oneOf(families, 'a family');
      const name = this.#cursor.word('the name of a table');
      if (!removes) tables.push(this.#table(family, name));
    });
    return tables;
  }

  /** Reads lines until the closing brace or the end; a fault costs the rest of its line. */
  #lines(until: 'end' | '}', read: () => void): void {
    const cursor = this.#cursor;
    for (;;) {
      while (cursor.peek().kind === 'newline' || cursor.isHere(';')) cursor.next();
      if (cursor.peek().kind === 'end') {
        if (until === '}') this.#guarded(() => cursor.fail("'}'"));
        return;
      }
      if (until === '}' && cursor.take('}')) return;
      this.#guarded(read);
    }
  }

  #guarded(read: () => void): void {
    try {
      read();
    } catch (fault) {
      if (!(fault instanceof SyntaxFault)) throw fault;
      this.diagnostics.push(fault.diagnostic);
      const cursor = this.#cursor;
      while (!['newline', 'end'].includes(cursor.peek().kind)) cursor.next();
    }
  }

  #table(family: TableFamily, name: string): Table {
    const sets: NamedSet[] = [];
    const maps: VerdictMap[] = [];
    const chains: Chain[] = [];
    this.#block(() => {
      if (this.#cursor.take('set')) sets.push(this.#set());
      else if (this.#cursor.take('map')) maps.push(this.#map());
      else if (this.#cursor.take('chain')) chains.push(this.#chain());
      else this.#cursor.fail("'set', 'map' or 'chain'");
    });
    return { family, name, sets, maps, chains };
  }

  #block(read: () => void): void {
    this.#cursor.expect('{');
    this.#lines('}', read);
  }

  #set(): NamedSet {
    const name = this.#cursor.word('the name of a set');
    let types: readonly FieldType[] = [];
    let interval = false;
    const elements: Element[] = [];
    this.#block(() => {
      if (this.#cursor.take('type')) types = this.#types();
      else if (this.#cursor.take('flags', 'interval')) interval = true;
      else this.#elements(() => elements.push(this.#element(types)));
    });
    return { name, types, interval, elements };
  }

  #map(): VerdictMap {
    const name = this.#cursor.word('the name of a map');
    let types: readonly FieldType[] = [];
    let interval = false;
    const elements: VerdictMap['elements'][number][] = [];
    this.#block(() => {
      if (this.#cursor.take('type')) {
        types = this.#types();
        this.#cursor.expect(':', 'verdict');
      } else if (this.#cursor.take('flags', 'interval')) interval = true;
      else this.#elements(() => elements.push(this.#mapElement(types)));
    });
    return { name, types, interval, elements };
  }

  #types(): readonly FieldType[] {
    const types = [this.#oneOf(setTypes, 'a type')];
    while (this.#cursor.take('.')) types.push(this.#oneOf(setTypes, 'a type'));
    return types;
  }

  #elements(read: () => void): void {
    this.#cursor.expect('elements', '=', '{');
    do {
      this.#cursor.skipNewlines();
      read();
      this.#cursor.skipNewlines();
    } while (this.#cursor.take(','));
    this.#cursor.expect('}');
  }

  #element(types: readonly FieldType[]): Element {
    return types.map((type, index) => {
      if (index > 0) this.#cursor.expect('.');
      return readValue(this.#cursor, type);
    });
  }

  #mapElement(types: readonly FieldType[]): VerdictMap['elements'][number] {
    const key = this.#element(types);
    this.#cursor.expect(':');
    const kind = this.#oneOf(['accept', 'drop', 'return', 'jump', 'goto'] as const, 'a verdict');
    const verdict: Verdict =
      kind === 'jump' || kind === 'goto' ? { kind, chain: this.#cursor.word('a chain') } : { kind };
    return { key, verdict };
  }

  #chain(): Chain {
    const name = this.#cursor.word('the name of a chain');
    let base: Chain['base'];
    const rules: KernelRule[] = [];
    this.#block(() => {
      if (this.#cursor.take('type')) base = this.#base();
      else rules.push(readRule(this.#cursor));
    });
    return base === undefined ? { name, rules } : { name, base, rules };
  }

  #base(): NonNullable<Chain['base']> {
    const type = this.#oneOf(chainTypes, 'a chain type');
    this.#cursor.expect('hook');
    const hook = this.#oneOf(hooks, 'a hook');
    this.#cursor.expect('priority');
    const priority = readInteger(this.#cursor);
    this.#cursor.expect(';', 'policy');
    const policy = this.#oneOf(policies, 'a policy');
    return { type, hook, priority, policy };
  }

  #oneOf<T extends string>(names: readonly T[], what: string): T {
    const found = names.find((name) => this.#cursor.isHere(name));
    if (found === undefined) return this.#cursor.fail(what);
    this.#cursor.next();
    return found;
  }
}
