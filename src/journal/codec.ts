/**
 * Codecs: how values become JSON and come back, with every value checked on both ways by the same
 * condition. A value that fails on the way out is a bug of ours and throws AssertionError; one that
 * fails on the way in is a damaged or foreign record and throws RecordError with the field's name.
 *
 * A struct lists a codec for every field of a type, which the compiler enforces, so that a field
 * added to an event cannot be forgotten here. Written by hand because replay is bound by it.
 */
import { AssertionError } from '../engine/assert.ts';
import type { Labels } from '../engine/command.ts';

export interface Codec<T> {
  /** `name` is the path of the value, for the message. Throws AssertionError. */
  encode(value: T, name: string): unknown;
  /** Throws RecordError. */
  decode(raw: unknown, name: string): T;
}

export type RecordErrorCode = 'unknown-version' | 'unknown-type' | 'malformed';

/** A record that this version cannot read. The message names the field. */
export class RecordError extends Error {
  override name = 'RecordError';
  readonly code: RecordErrorCode;

  constructor(code: RecordErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

interface Field<T, Presence extends 'always' | 'optional'> {
  readonly codec: Codec<T>;
  /** `optional`: absent here is absent there. */
  readonly presence: Presence;
  /** Of an omitted field that is always present in memory: what absence means. */
  readonly omitted?: { readonly value: T; holds(value: T): boolean };
}

type Fields<T> = {
  readonly [K in keyof T]-?: {} extends Pick<T, K>
    ? Field<Exclude<T[K], undefined>, 'optional'>
    : Field<T[K], 'always'>;
};

export function required<T>(codec: Codec<T>): Field<T, 'always'> {
  return { codec, presence: 'always' };
}

export function optional<T>(codec: Codec<T>): Field<T, 'optional'> {
  return { codec, presence: 'optional' };
}

/** A field always present in memory that is left out of the record while it is empty. */
export function omittedWhile<T>(
  codec: Codec<T>,
  value: T,
  holds: (value: T) => boolean,
): Field<T, 'always'> {
  return { codec, presence: 'always', omitted: { value, holds } };
}

/** The fields of an object, read and written in place: {@link struct} is the form that nests. */
export interface FieldSet<T> {
  /** Adds the fields of `value` to `wire` and returns it. */
  write(value: T, wire: Record<string, unknown>, name: string): unknown;
  /** Adds the fields to `value` and returns it; `raw` has `others` fields beside these. */
  read(
    raw: Readonly<Record<string, unknown>>,
    value: Record<string, unknown>,
    name: string,
    others: number,
  ): T;
}

/**
 * Exactly these fields; any other is refused, because what it meant would be lost. `problem` states
 * what must hold between fields, `undefined` where it does.
 */
export function fieldSet<T extends object>(
  fields: Fields<T>,
  problem: (value: T) => string | undefined = () => undefined,
): FieldSet<T> {
  const plan = Object.entries<Field<unknown, 'always' | 'optional'>>(fields).map(
    ([key, field]) => ({ key, ...field }),
  );
  return {
    write(value, wire, name) {
      for (const { key, codec, presence, omitted } of plan) {
        const member = (value as Record<string, unknown>)[key];
        if (member === undefined && presence === 'optional') continue;
        if (member !== undefined && omitted?.holds(member) === true) continue;
        wire[key] = codec.encode(member, join(name, key));
      }
      const wrong = problem(value);
      if (wrong !== undefined) throw new AssertionError(`${name || 'event'}: ${wrong}`);
      return wire;
    },
    read(raw, value, name, others) {
      let seen = others;
      for (const { key, codec, presence, omitted } of plan) {
        const member = raw[key];
        if (member !== undefined) {
          seen += 1;
          value[key] = codec.decode(member, join(name, key));
        } else if (omitted !== undefined) {
          value[key] = omitted.value;
        } else if (presence === 'always') {
          throw new RecordError('malformed', `${join(name, key)}: missing`);
        }
      }
      if (Object.keys(raw).length !== seen) throw unknownField(raw, fields, name);
      const wrong = problem(value as T);
      if (wrong !== undefined) throw new RecordError('malformed', `${name || 'event'}: ${wrong}`);
      return value as T;
    },
  };
}

/** An object within a record. */
export function struct<T extends object>(
  fields: Fields<T>,
  problem?: (value: T) => string | undefined,
): Codec<T> {
  const set = fieldSet(fields, problem);
  return {
    encode: (value, name) => set.write(value, {}, name),
    decode(raw, name) {
      if (!isObject(raw)) throw malformed(name, 'an object');
      return set.read(raw, {}, name, 0);
    },
  };
}

/** A list, in order. */
export function list<T>(codec: Codec<T>): Codec<readonly T[]> {
  return {
    encode: (value, name) => value.map((item, index) => codec.encode(item, `${name}[${index}]`)),
    decode(raw, name) {
      if (!Array.isArray(raw)) throw malformed(name, 'a list');
      return raw.map((item: unknown, index) => codec.decode(item, `${name}[${index}]`));
    },
  };
}

/** A value that is written as it is; `expected` completes "expected …". */
export function plain<T>(expected: string, holds: (value: unknown) => value is T): Codec<T> {
  return {
    encode(value, name) {
      if (!holds(value)) throw new AssertionError(`${name}: expected ${expected}`);
      return value;
    },
    decode(raw, name) {
      if (!holds(raw)) throw malformed(name, expected);
      return raw;
    },
  };
}

export function oneOf<const T extends readonly (string | number)[]>(values: T): Codec<T[number]> {
  const known = new Set<unknown>(values);
  return plain(`one of ${values.join(', ')}`, (value): value is T[number] => known.has(value));
}

export const text = plain('a non-empty string', (value): value is string => {
  return typeof value === 'string' && value !== '';
});

export const anyText = plain('a string', (value): value is string => typeof value === 'string');

export const flag = plain('true or false', (value): value is boolean => {
  return typeof value === 'boolean';
});

/** An integer from 0 to 2^53 - 1. */
export const count = plain('an integer from 0 to 2^53 - 1', (value): value is number => {
  return Number.isSafeInteger(value) && (value as number) >= 0;
});

/** Any keys at all, `__proto__` among them: own properties, as JSON.parse makes them. */
export const labels = plain('an object of strings', (value): value is Labels => {
  return isObject(value) && Object.keys(value).every((key) => typeof value[key] === 'string');
});

/** One past the highest address; also the largest size. */
export const spaceEnd = 1n << 128n;

const digitsMax = String(spaceEnd).length;
const canonicalDecimal = /^(?:0|[1-9][0-9]*)$/;

/** A bigint from 0 to 2^128, written in decimal: JSON numbers are exact only up to 2^53 - 1. */
export const decimal: Codec<bigint> = {
  encode(value, name) {
    if (typeof value !== 'bigint' || value < 0n || value > spaceEnd) {
      throw new AssertionError(`${name}: expected an integer from 0 to 2^128`);
    }
    return value.toString();
  },
  decode(raw, name) {
    // The length is looked at first: parsing takes time that grows faster than the text.
    if (typeof raw === 'string' && raw.length <= digitsMax && canonicalDecimal.test(raw)) {
      const value = BigInt(raw);
      if (value <= spaceEnd) return value;
    }
    throw malformed(name, 'a decimal string from 0 to 2^128');
  },
};

function malformed(name: string, expected: string): RecordError {
  return new RecordError('malformed', `${name || 'record'}: expected ${expected}`);
}

function unknownField(raw: object, fields: object, name: string): RecordError {
  const known = (key: string) =>
    Object.hasOwn(fields, key) || (name === '' && (key === 'v' || key === 'type'));
  const key = Object.keys(raw).find((candidate) => !known(candidate));
  return new RecordError('malformed', `${join(name, key ?? '?')}: unknown field`);
}

function join(name: string, key: string): string {
  return name === '' ? key : `${name}.${key}`;
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
