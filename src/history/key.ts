/** Addresses and sizes as the book has them: addresses as 16 bytes, which sort as the numbers do. */

const bits = 64n;
const low = (1n << bits) - 1n;
const exactMax = BigInt(Number.MAX_SAFE_INTEGER);

/** An address, 0 … 2^128 − 1. */
export function keyOf(address: bigint): Buffer {
  const key = Buffer.allocUnsafe(16);
  if (address <= exactMax) {
    // As a number it is written in less time.
    const number = Number(address);
    key.fill(0, 0, 8);
    key.writeUInt32BE(Math.floor(number / 0x1_0000_0000), 8);
    key.writeUInt32BE(number >>> 0, 12);
    return key;
  }
  key.writeBigUInt64BE(address >> bits, 0);
  key.writeBigUInt64BE(address & low, 8);
  return key;
}

export function addressOf(key: Buffer): bigint {
  const high = key.readBigUInt64BE(0);
  const rest = key.readBigUInt64BE(8);
  return high === 0n ? rest : (high << bits) | rest;
}

/** A size, 1 … 2^128, less one: an integer as far as those are exact. */
export type StoredSize = number | Buffer;

export function storedSizeOf(size: bigint): StoredSize {
  const less = size - 1n;
  return less <= exactMax ? Number(less) : keyOf(less);
}

export function sizeOf(stored: StoredSize): bigint {
  return (typeof stored === 'number' ? BigInt(stored) : addressOf(stored)) + 1n;
}
