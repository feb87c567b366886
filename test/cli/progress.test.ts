import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { Progress } from '../../src/cli/progress.ts';

function setUp(isTTY: boolean) {
  let text = '';
  let now = 0;
  const errors = Object.assign(
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        text += chunk.toString();
        done();
      },
    }),
    { isTTY },
  );
  const progress = new Progress(errors, () => now);
  return {
    progress,
    at(ms: number, done: number, total?: number): string {
      now = ms;
      text = '';
      progress.update('records read', done, total);
      return text;
    },
    end(): string {
      text = '';
      progress.end();
      return text;
    },
  };
}

test('says nothing of what is quick', () => {
  for (const isTTY of [true, false]) {
    const { at, end } = setUp(isTTY);
    expect(at(100, 1, 2)).toBe('');
    expect(at(1400, 2, 2)).toBe('');
    expect(end()).toBe('');
  }
});

test('draws a bar on a terminal, and takes it away', () => {
  const { at, end } = setUp(true);
  expect(at(1500, 1, 4)).toBe('\r\x1b[K[######..................] 1 of 4 (25 %) records read');
  expect(at(1600, 2, 4)).toBe('');
  expect(at(1700, 5, 4)).toContain('[########################] 5 of 4 (100 %)');
  expect(at(1900, 7)).toBe('\r\x1b[K7 records read');
  expect(end()).toBe('\r\x1b[K');
  expect(end()).toBe('');
});

test('writes a line now and then elsewhere', () => {
  const { at, end } = setUp(false);
  expect(at(2000, 3, 4)).toBe('3 of 4 (75 %) records read\n');
  expect(at(11_900, 4, 4)).toBe('');
  expect(at(12_000, 5)).toBe('5 records read\n');
  expect(end()).toBe('');
});
