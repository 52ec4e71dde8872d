// Faults of a text, all at once, each with its place; what is sound around them is kept.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { printDiagnostic } from '../../src/model/diagnostic.ts';
import { parseNft } from '../../src/nft/parse.ts';

const text = `table ip t {
	set a {
		type ipv4_addr . strange
	}
	chain c {
		type filter hook forward priority zero; policy accept;
		ip saddr 10.0.0.300 drop
		iifname vk63 drop
		accept
		limit rate 5/week burst 5 packets
		drop comment unquoted
		ct state fresh drop
		ip ttl 64 counter drop
		meta mark set 1
		tcp flags & (syn | fun) == syn
	}
}
table moon t {
}
table ip u {
`;

test('every faulty line is reported once', () => {
  const { value, diagnostics } = parseNft(text, 'x.nft');
  assert.deepEqual(diagnostics.map(printDiagnostic), [
    'x.nft:3:20: error[syntax]: expected a type, found "strange"',
    `x.nft:6:37: error[syntax]: expected a number, found "zero"`,
    'x.nft:7:12: error[syntax]: expected a value of type ipv4_addr, found "10.0.0.300"',
    'x.nft:8:11: error[syntax]: expected an interface name in quotes, found "vk63"',
    'x.nft:10:14: error[syntax]: expected a rate, found "5/week"',
    'x.nft:11:16: error[syntax]: expected a comment, found "unquoted"',
    'x.nft:12:12: error[syntax]: expected one of invalid, established, related, new, untracked, found "fresh"',
    'x.nft:15:22: error[syntax]: expected one of fin, syn, rst, psh, ack, urg, ecn, cwr, found "fun"',
    'x.nft:18:7: error[syntax]: expected a family, found "moon"',
    `x.nft:19:1: error[syntax]: expected 'table', found "}"`,
    `x.nft:21:1: error[syntax]: expected '}', found the end of the text`,
  ]);
  const [first, second] = value?.tables ?? [];
  assert.deepEqual(
    first?.chains[0]?.rules.map(({ body }) => body.map(({ kind }) => kind)),
    [['verdict'], ['opaque', 'counter', 'verdict'], ['opaque-statement']],
  );
  assert.equal(second?.name, 'u');
});
