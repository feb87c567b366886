import { expect, it } from 'vitest';
import { timeText } from '../../src/http/representation.ts';

it.each([
  0, 1, 999, 59_999, 86_399_999, 86_400_000, 1_769_860_800_000, 1_769_860_799_999, -1, -86_400_001,
  253_402_300_800_000, 8_640_000_000_000_000,
])('%i milliseconds since 1970 are written as by a Date', (ms) => {
  expect(timeText(ms)).toBe(new Date(ms).toISOString());
  expect(timeText(ms - 123_456_789)).toBe(new Date(ms - 123_456_789).toISOString());
});
