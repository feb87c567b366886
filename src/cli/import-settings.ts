/** What `vmemd import` and `vmemd export` are asked for, read from their flags. */
import { InvalidSetting, type Flags } from '../config.ts';
import type { Range } from '../engine/command.ts';
import { InvalidInput } from '../http/invalid-input.ts';
import type { AddressSpace } from '../http/notation.ts';
import { readRangeText } from '../http/range.ts';
import { arenaName } from '../http/wire/field.ts';
import { limits } from '../limits.ts';
import type { Creation } from './target.ts';

/** The value that a flag was given. Throws InvalidSetting where it has none. */
export function textOf(flag: string, value: Flags[string]): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'string' && value !== '') return value;
  throw new InvalidSetting(`--${flag} must not be empty.`);
}

/** One of several words. Throws InvalidSetting. */
export function choiceOf<T extends string>(
  flag: string,
  value: Flags[string],
  choices: readonly [T, ...T[]],
): T {
  const found = value === undefined ? choices[0] : choices.find((choice) => choice === value);
  if (found !== undefined) return found;
  const message = `--${flag} must be one of ${choices.join(', ')}, not "${String(value)}".`;
  throw new InvalidSetting(message);
}

/** Words with commas between them; undefined where the flag was not given. Throws InvalidSetting. */
export function listOf(flag: string, value: Flags[string]): string[] | undefined {
  const text = textOf(flag, value);
  return text?.split(',').map((word) => {
    if (word.trim() !== '') return word.trim();
    throw new InvalidSetting(`--${flag} must be words with commas between them, not "${text}".`);
  });
}

/** The columns that become labels: `none` for none. Throws InvalidSetting. */
export function labelsOf(value: Flags[string]): ReadonlySet<string> | undefined {
  const names = listOf('label', value);
  if (names === undefined) return undefined;
  return new Set(names.length === 1 && names[0] === 'none' ? [] : names);
}

/** Arenas by a word of the file: `red=team-red,blue=`. Throws InvalidSetting. */
export function mapOf(value: Flags[string]): Map<string, string> | undefined {
  const pairs = listOf('map', value);
  if (pairs === undefined) return undefined;
  return new Map(
    pairs.map((pair) => {
      const equals = pair.lastIndexOf('=');
      if (equals < 1) {
        throw new InvalidSetting(
          `--map must be WORD=ARENA, with commas between several: "${pair}".`,
        );
      }
      const arena = pair.slice(equals + 1);
      return [pair.slice(0, equals), arena === '' ? '' : nameOf('map', arena)];
    }),
  );
}

/** The name of an arena. Throws InvalidSetting. */
export function nameOf(flag: string, text: string): string {
  const { success, error } = arenaName.safeParse(text);
  if (success) return text;
  throw new InvalidSetting(`--${flag}: ${text} ${error.issues[0]?.message}.`);
}

/** How arenas that are missing are made; undefined where they are not. Throws InvalidSetting. */
export function creationOf(
  { create, span }: Flags,
  otherwise: Creation | undefined,
): Creation | undefined {
  const texts = listOf('span', span);
  if (create !== true) {
    if (texts !== undefined) throw new InvalidSetting('--span is for --create: give that as well.');
    return undefined;
  }
  if (texts === undefined) {
    if (otherwise !== undefined) return otherwise;
    throw new InvalidSetting('--create needs --span: the spans of the arena, such as 10.0.0.0/8.');
  }
  if (texts.length > limits.spansPerRequestMax) {
    throw new InvalidSetting(`--span must have at most ${limits.spansPerRequestMax} spans.`);
  }
  const space = spaceOf(texts[0] ?? '');
  return { ...space, spans: texts.map((text) => spanOf(text, space)) };
}

function spanOf(text: string, space: AddressSpace): Range {
  try {
    return readRangeText(text, space, '');
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error;
    throw new InvalidSetting(`--span ${text} ${error.errors[0]?.detail}.`, { cause: error });
  }
}

/** By the form of a span: its arena has the notation that it is written in. */
function spaceOf(text: string): AddressSpace {
  if (text.includes(':')) return { notation: 'ipv6', width: 128 };
  if (text.includes('.')) return { notation: 'ipv4', width: 32 };
  return { notation: text.startsWith('0x') ? 'hex' : 'decimal', width: 64 };
}
