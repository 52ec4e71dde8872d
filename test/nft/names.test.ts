// nft's own words: the printer refuses them, and what it lets pass nft takes for a name.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { printName } from '../../src/nft/names.ts';
import { freshNamespace, mustRun, needsRoot } from '../support/namespace.ts';

const words =
  `accept add ah all and arp bridge chain comment continue counter ct day drop dst dup element eq ether flags flow fwd
  ge goto gt handle hour icmp iif iifname inet insert ip ip6 jump le limit list ll log lt map mark meta ne nh not or osf
  policy queue quota redirect reject return rule set socket table tcp th time type typeof udp update vmap xor xt
  forward input output prerouting in out saddr value port state new id level group prefix in_vk63 out-vk63 rule_7`.split(
    /\s+/,
  );

function isName(word: string): boolean {
  try {
    return printName(word) === word;
  } catch {
    return false;
  }
}

test('what the printer takes for a name is one for nft, and what nft refuses is refused', {
  skip: needsRoot,
}, async (t) => {
  const namespace = await freshNamespace();
  t.after(() => namespace.close());
  const accepted = words.filter(isName);
  const tables = accepted.map(
    (word) => `table ip ${word} {
      set ${word} { type ipv4_addr; }
      map ${word}_ { type ipv4_addr : verdict; }
      chain ${word} { ip saddr @${word} tcp dport 1 drop
      }
      chain c_ { ip saddr vmap @${word}_
        jump ${word}
      }
    }`,
  );
  await mustRun(namespace, 'nft', ['-f', '-'], tables.join('\n'));
  for (const word of words.filter((one) => !isName(one))) {
    const text = `table ip t_ { set ${word} { type ipv4_addr; }\n chain c_ { ip saddr @${word} drop\n }\n }`;
    const { code } = await namespace.run('nft', ['-f', '-'], text);
    assert.notEqual(code, 0, `${word} could be a name`);
  }
  assert.ok(accepted.length > 15 && accepted.length < words.length - 60);
});
