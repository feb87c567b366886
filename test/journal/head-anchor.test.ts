import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  createFirstHead,
  createHead,
  HeadAnchor,
  headIn,
  headName,
  readHead,
  slotBytes,
  type Head,
} from '../../src/journal/head-anchor.ts';

let directory: string;
let path: string;
let failures: Error[];
let open: HeadAnchor[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'vmemd-head-'));
  path = join(directory, headName);
  failures = [];
  open = [];
});

afterEach(async () => {
  for (const anchor of open) await anchor.close();
  expect(failures).toEqual([]);
  rmSync(directory, { recursive: true });
});

function head(revision: number): Head {
  return { revision, chain: new Uint8Array(32).fill(revision) };
}

function anchor(): HeadAnchor {
  const opened = new HeadAnchor(directory, (error) => failures.push(error));
  open.push(opened);
  return opened;
}

/** An anchor that was written at 1, 2 … n; the slots then have n - 1 and n. */
function written(revisions: number): Buffer {
  createHead(directory, head(0));
  const to = anchor();
  for (let revision = 1; revision <= revisions; revision += 1) to.write(head(revision));
  return readFileSync(path);
}

test('what was written last is read, by the next opening too', () => {
  expect(readHead(directory)).toBe('missing');
  for (const revisions of [1, 2, 3]) {
    written(revisions);
    expect(readHead(directory)).toMatchObject(head(revisions));
  }
  anchor().write(head(70));
  expect(readHead(directory)).toMatchObject(head(70));
  expect(readFileSync(path)).toHaveLength(2 * slotBytes);
  expect(readdirSync(directory)).toEqual([headName]);
});

test('of two that begin at once, the second leaves the first’s', () => {
  createFirstHead(directory, head(0));
  anchor().write(head(5));
  createFirstHead(directory, head(0));
  expect(readHead(directory)).toMatchObject(head(5));
  expect(readdirSync(directory)).toEqual([headName]);
});

test('after closing, everything is there', async () => {
  written(4);
  for (const opened of open.splice(0)) await opened.close();
  expect(readHead(directory)).toMatchObject(head(4));
});

describe('damage', () => {
  test('every bit of the slot written last: the one before is read', () => {
    const whole = written(4);
    // Sequences go on from 0 and 1, so 5 is in the second slot.
    const newest = [0, slotBytes].find((at) => whole.readBigUInt64LE(at + 24) === 5n)!;
    for (let bit = 0; bit < slotBytes * 8; bit += 1) {
      const bytes = Buffer.from(whole);
      bytes[newest + (bit >> 3)]! ^= 1 << (bit & 7);
      const found = headIn(bytes);
      expect(typeof found === 'object' && found.revision, `bit ${bit}`).toBe(3);
    }
  });

  test('a write torn at any byte: one of the two, whole', () => {
    const before = written(3);
    const after = written(4);
    for (let cut = 0; cut <= slotBytes; cut += 1) {
      const torn = Buffer.from(before);
      const at = Buffer.compare(before.subarray(0, slotBytes), after.subarray(0, slotBytes))
        ? 0
        : 1;
      after.copy(torn, at * slotBytes, at * slotBytes, at * slotBytes + cut);
      const found = headIn(torn);
      expect([3, 4], `cut ${cut}`).toContain(typeof found === 'object' && found.revision);
    }
  });

  test('a file of any other length has one slot or none', () => {
    const whole = written(4);
    for (const length of [0, 1, slotBytes - 1, slotBytes, 2 * slotBytes - 1]) {
      writeFileSync(path, whole.subarray(0, length));
      const found = readHead(directory);
      if (length < slotBytes) expect(found, `length ${length}`).toBe('unreadable');
      else expect(typeof found, `length ${length}`).toBe('object');
    }
  });

  test('both slots', () => {
    const bytes = written(4);
    bytes[40]! ^= 1;
    bytes[slotBytes + 40]! ^= 1;
    writeFileSync(path, bytes);
    expect(readHead(directory)).toBe('unreadable');
  });
});

test('a failure to write is thrown', async () => {
  createHead(directory, head(1));
  const closed = new HeadAnchor(directory, (error) => failures.push(error));
  await closed.close();
  expect(() => closed.write(head(2))).toThrow(/EBADF/);
});
