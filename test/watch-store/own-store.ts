// A store of its own for each test, and what to put into it.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach } from 'node:test';
import type { HostError } from '../../src/model/host-error.ts';
import type { Gap, Lost, SourceItem, SourceRecord } from '../../src/watch/sources/source.ts';
import { EventStore } from '../../src/watch/store/event-store.ts';
import { StoreReader } from '../../src/watch/store/store-reader.ts';

export const noon = 1_700_000_000_000;
export const dayMs = 86_400_000;

export function textOfPacket(number: number): string {
  return `[UFW BLOCK] IN=eth0 OUT= SRC=192.0.2.7 DST=192.0.2.1 LEN=44 TTL=54 ID=${number} PROTO=UDP SPT=1 DPT=2 LEN=24`;
}

export function record(number: number, facts: Partial<SourceRecord> = {}): SourceRecord {
  const text = Buffer.from(textOfPacket(number));
  return { kind: 'record', trust: 3, epoch: 'a', us: number * 1000, wall: noon + number, text, ...facts };
}

export function gap(lost: Lost, between: Gap['between'] = {}, reason: Gap['reason'] = 'overrun'): Gap {
  return { kind: 'gap', lost, reason, between };
}

export const refusal =
  (code: string, words: RegExp) =>
  (error: unknown): boolean => {
    assert.equal((error as HostError).code, code);
    assert.match((error as HostError).message, words);
    return true;
  };

/** To be made once in a test file: its directory is another one in each test. */
export class OwnStore {
  #root = '';
  #stores = 0;

  constructor() {
    before(() => {
      this.#root = mkdtempSync(join(tmpdir(), 'bridgekeeper-store-'));
    });
    beforeEach(() => {
      this.#stores++;
    });
    after(() => rmSync(this.#root, { recursive: true }));
  }

  get directory(): string {
    return join(this.#root, `${this.#stores}`);
  }

  read<T>(question: (reader: StoreReader) => T): T {
    const reader = new StoreReader(this.directory);
    try {
      return question(reader);
    } finally {
      reader.close();
    }
  }

  get texts(): readonly string[] {
    return this.read((reader) => [...reader.events({}, 'stored')].map(({ text }) => text.toString('latin1')));
  }

  with<T>(action: (store: EventStore) => T): T {
    const store = new EventStore(this.directory);
    try {
      return action(store);
    } finally {
      store.close();
    }
  }

  keep(source: string, items: readonly SourceItem[], host = ''): void {
    this.with((store) => store.commit([{ host, source, batch: { items } }], noon));
  }
}
