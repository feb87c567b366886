import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvalidInput } from '../../src/http/invalid-input.ts';
import {
  formatAddress,
  formatCidr,
  parseAddress,
  parseCidr,
  parseSize,
  prefixSize,
  type AddressSpace,
} from '../../src/http/notation.ts';

const decimal: AddressSpace = { notation: 'decimal', width: 64 };
const decimal32: AddressSpace = { notation: 'decimal', width: 32 };
const hex: AddressSpace = { notation: 'hex', width: 128 };
const ipv4: AddressSpace = { notation: 'ipv4', width: 32 };
const ipv6: AddressSpace = { notation: 'ipv6', width: 128 };
const spaces = [decimal, decimal32, hex, ipv4, ipv6];
const top = (1n << 128n) - 1n;

function errorOf(action: () => unknown): { pointer: string; detail: string } | undefined {
  try {
    action();
  } catch (error) {
    if (error instanceof InvalidInput) return error.errors[0];
    throw error;
  }
  return undefined;
}

describe('parseAddress', () => {
  it.each<[string, AddressSpace, bigint]>([
    ['0', decimal, 0n],
    ['18446744073709551615', decimal, (1n << 64n) - 1n],
    ['0xff', decimal, 255n],
    ['0x00FF', decimal, 255n],
    ['10', hex, 10n],
    ['0xffffffffffffffffffffffffffffffff', hex, top],
    ['340282366920938463463374607431768211455', hex, top],
    ['10.0.0.0', ipv4, 0x0a000000n],
    ['255.255.255.255', ipv4, 0xffffffffn],
    ['167772160', ipv4, 0x0a000000n],
    ['0xa000000', ipv4, 0x0a000000n],
    ['::', ipv6, 0n],
    ['2001:DB8::1', ipv6, 0x20010db8000000000000000000000001n],
    ['1:2:3:4:5:6:7::', ipv6, 0x00010002000300040005000600070000n],
    ['::ffff:1.2.3.4', ipv6, 0xffff01020304n],
    ['ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', ipv6, top],
    ['1', ipv6, 1n],
  ])('reads %s', (text, space, expected) => {
    expect(parseAddress(text, space, '/x')).toBe(expected);
  });

  it.each<[string, AddressSpace, RegExp]>([
    ['', decimal, /must be a decimal/],
    ['-1', decimal, /must be a decimal/],
    ['+1', decimal, /must be a decimal/],
    ['1.5', decimal, /is an IP address/],
    ['1e3', decimal, /must be a decimal/],
    ['007', decimal, /must be a decimal/],
    ['0X10', decimal, /must be a decimal/],
    ['0x', decimal, /must be a decimal/],
    [' 1', decimal, /must be a decimal/],
    ['1n', decimal, /must be a decimal/],
    ['٣', decimal, /must be a decimal/],
    ['9'.repeat(40), decimal, /must be a decimal/],
    ['9'.repeat(1_000_000), decimal, /must be a decimal/],
    ['18446744073709551616', decimal, /beyond the arena's 64 bits.* 18446744073709551615/],
    ['4294967296', decimal32, /beyond the arena's 32 bits/],
    ['0x1' + '0'.repeat(32), hex, /beyond the arena's 128 bits.* 0xf{32}$/],
    ['10.0.0.0', decimal, /is an IP address, but the arena's notation is decimal/],
    ['::1', hex, /is an IP address, but the arena's notation is hex/],
    ['::1', ipv4, /is IPv6/],
    ['10.0.0.1', ipv6, /is IPv4/],
    ['010.0.0.1', ipv4, /without leading zeros/],
    ['10.0.1', ipv4, /four decimal parts/],
    ['10.0.0.256', ipv4, /four decimal parts/],
    ['10.0.0.0/8', ipv4, /four decimal parts/],
    ['10.0.0.1 ', ipv4, /four decimal parts/],
    ['4294967296', ipv4, /beyond .* 255\.255\.255\.255$/],
    ['fe80::1%eth0', ipv6, /zone id/],
    ['[::1]', ipv6, /IPv6 address/],
    ['1::2::3', ipv6, /IPv6 address/],
    ['::12345', ipv6, /IPv6 address/],
    ['1:2:3:4:5:6:7:8:9', ipv6, /IPv6 address/],
    ['::ffff:1.2.3.04', ipv6, /IPv6 address/],
  ])('refuses %s', (text, space, detail) => {
    expect(errorOf(() => parseAddress(text, space, '/x'))).toEqual({
      pointer: '/x',
      detail: expect.stringMatching(detail),
    });
  });
});

describe('parseSize', () => {
  it.each<[string, bigint]>([
    ['0', 0n],
    ['0x10', 16n],
    ['340282366920938463463374607431768211456', 1n << 128n],
    ['0x100000000000000000000000000000000', 1n << 128n],
  ])('reads %s', (text, expected) => {
    expect(parseSize(text, '/size')).toBe(expected);
  });

  it.each(['', '-1', '01', '10.0.0.0', '::', 'ten', '1_000', '0x1' + '0'.repeat(33)])(
    'refuses "%s"',
    (text) => {
      expect(errorOf(() => parseSize(text, '/size'))?.pointer).toBe('/size');
    },
  );

  it('refuses sizes above 2^128', () => {
    const error = errorOf(() => parseSize(((1n << 128n) + 1n).toString(), '/size'));
    expect(error?.detail).toMatch(/at most 2\^128/);
  });
});

describe('parseCidr', () => {
  it.each<[string, AddressSpace, bigint, bigint]>([
    ['10.0.0.0/8', ipv4, 0x0a000000n, 1n << 24n],
    ['0.0.0.0/0', ipv4, 0n, 1n << 32n],
    ['255.255.255.255/32', ipv4, 0xffffffffn, 1n],
    ['::/0', ipv6, 0n, 1n << 128n],
    ['2001:db8::/32', ipv6, 0x20010db8n << 96n, 1n << 96n],
    ['::1/128', ipv6, 1n, 1n],
  ])('reads %s', (text, space, base, size) => {
    expect(parseCidr(text, space, '/cidr')).toEqual({ base, size });
  });

  it.each<[string, AddressSpace, RegExp]>([
    ['10.0.0.1/8', ipv4, /the network is 10\.0\.0\.0\/8/],
    ['2001:db8::1/64', ipv6, /the network is 2001:db8::\/64/],
    ['10.0.0.0/33', ipv4, /prefix length 0…32/],
    ['10.0.0.0/08', ipv4, /prefix length/],
    ['10.0.0.0', ipv4, /prefix length/],
    ['10.0.0.0/', ipv4, /prefix length/],
    ['10.0.0.0/8/8', ipv4, /prefix length/],
    ['10.0.0.0/-1', ipv4, /prefix length/],
    ['::/129', ipv6, /prefix length 0…128/],
    ['::/8', ipv4, /is IPv6/],
    ['10.0.0.0/8', ipv6, /is IPv4/],
    ['10.0.0.0/8', decimal, /only for arenas of the ipv4 and ipv6 notations.*base and size/],
    ['0/0', hex, /only for arenas/],
  ])('refuses %s', (text, space, detail) => {
    expect(errorOf(() => parseCidr(text, space, '/cidr'))?.detail).toMatch(detail);
  });
});

describe('formatting', () => {
  it.each<[bigint, AddressSpace, string]>([
    [0n, decimal, '0'],
    [255n, hex, '0xff'],
    [0n, hex, '0x0'],
    [0x0a000001n, ipv4, '10.0.0.1'],
    [0xffffffffn, ipv4, '255.255.255.255'],
    [0n, ipv6, '::'],
    [1n, ipv6, '::1'],
    [top, ipv6, 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
    // RFC 5952: lower case, no leading zeros, the longest run of zeros, the first of equal ones,
    // no "::" for a single group, and dotted decimal for mapped addresses.
    [0x20010db8000000000001000000000001n, ipv6, '2001:db8::1:0:0:1'],
    [0x20010db8000000010001000100010001n, ipv6, '2001:db8:0:1:1:1:1:1'],
    [0x2001_0000_0000_0001_0000_0000_0000_0001n, ipv6, '2001:0:0:1::1'],
    [0xffff01020304n, ipv6, '::ffff:1.2.3.4'],
    [0xfffeffffffffn, ipv6, '::fffe:ffff:ffff'],
  ])('writes %s as %s', (address, space, expected) => {
    expect(formatAddress(address, space)).toBe(expected);
  });

  it.each<[bigint, bigint, AddressSpace, string | undefined]>([
    [0x0a000000n, 1n << 24n, ipv4, '10.0.0.0/8'],
    [0n, 1n << 32n, ipv4, '0.0.0.0/0'],
    [0x0a000001n, 1n, ipv4, '10.0.0.1/32'],
    [0n, 1n << 128n, ipv6, '::/0'],
    [0x0a000001n, 2n, ipv4, undefined],
    [0x0a000000n, 3n, ipv4, undefined],
    [0n, 256n, decimal, undefined],
    [0n, 256n, hex, undefined],
  ])('gives %s + %s the cidr %s', (base, size, space, expected) => {
    expect(formatCidr(base, size, space)).toBe(expected);
  });

  it('reads back every address it writes', () => {
    fc.assert(
      fc.property(fc.constantFrom(...spaces), fc.bigInt({ min: 0n, max: top }), (space, any) => {
        const address = any & ((1n << BigInt(space.width)) - 1n);
        expect(parseAddress(formatAddress(address, space), space, '/x')).toBe(address);
      }),
    );
  });

  it('reads back every cidr it writes', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(ipv4, ipv6),
        fc.bigInt({ min: 0n, max: top }),
        fc.nat(128),
        (space, any, bits) => {
          const size = prefixSize(Math.min(bits, space.width), space);
          const address = any & ((1n << BigInt(space.width)) - 1n);
          const base = address - (address % size);
          const text = formatCidr(base, size, space);
          expect(parseCidr(text ?? '', space, '/cidr')).toEqual({ base, size });
        },
      ),
    );
  });

  it('throws nothing but invalid input', () => {
    fc.assert(
      fc.property(fc.constantFrom(...spaces), fc.string(), fc.string(), (space, text, more) => {
        for (const candidate of [text, `${text}/${more}`, `0x${text}`, `${text}:${more}`]) {
          for (const parse of [parseAddress, parseCidr]) {
            errorOf(() => parse(candidate, space, '/x'));
          }
          errorOf(() => parseSize(candidate, '/x'));
        }
      }),
    );
  });
});
