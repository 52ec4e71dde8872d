// The Internet checksum against RFC 1071's own example, and against a slow sum of words.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { checksum, checksumAt } from '../../src/packet/checksum.ts';

/** As the RFC words it: add 16-bit words, carry round, complement. */
function slowChecksum(bytes: Uint8Array): number {
  let sum = 0;
  for (const [at, octet] of bytes.entries()) {
    sum += at % 2 === 0 ? octet * 256 : octet;
    if (sum > 0xffff) sum -= 0xffff;
  }
  return 0xffff - sum;
}

describe('checksum', () => {
  it('RFC 1071 section 3', () => {
    assert.equal(checksum(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7)), 0xffff - 0xddf2);
  });

  it('agrees with the slow sum, for odd lengths and in parts too', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 99 }), fc.nat(49), (bytes, words) => {
        assert.equal(checksum(bytes), slowChecksum(bytes));
        assert.equal(checksum(bytes.subarray(0, words * 2), bytes.subarray(words * 2)), slowChecksum(bytes));
      }),
    );
  });

  it('of all ones does not overflow at the longest packet', () => {
    assert.equal(checksum(new Uint8Array(65_534).fill(0xff)), 0);
  });

  it('what belongs at a place makes the whole sum right, whatever stood there', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 20, maxLength: 60 }), (bytes) => {
        const right = checksumAt(10, bytes);
        bytes[10] = right >> 8;
        bytes[11] = right & 0xff;
        assert.equal(checksum(bytes), 0);
      }),
    );
  });
});
