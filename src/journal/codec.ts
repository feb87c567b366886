/**
 * Codecs: how values become JSON and come back, with every value checked on both ways by the same
 * condition. A value that fails on the way out is a bug of ours and throws AssertionError; one that
 * fails on the way in is a damaged or foreign record and throws RecordError with the field's name.
 *
 * A struct lists a codec for every field of a type, which the compiler enforces, so that a field
 * added to an event cannot be forgotten here. Written by hand because replay is bound by it, and
 * every change of the service: text is written at once, without an object in between, and where in a
 * record something is wrong is put together only once something is.
 */
import { AssertionError } from '../engine/assert.ts';
import type { Band, Labels, OwnerLimit } from '../engine/command.ts';

export interface Codec<T> {
  /** The value as JSON. Throws {@link Misfit}. */
  write(value: T): string;
  /** Throws {@link Misfit}. */
  read(raw: unknown): T;
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

/**
 * A value that a codec does not take. It is about `path` of what is being written or read, a field
 * or an item, and everything around it adds its own step; {@link written} and {@link taken} make of it
 * what the outside knows.
 */
export class Misfit extends Error {
  override name = 'Misfit';
  readonly path: string;
  readonly problem: string;
  readonly code: RecordErrorCode;

  constructor(problem: string, path = '', code: RecordErrorCode = 'malformed') {
    super(`${path}: ${problem}`);
    this.path = path;
    this.problem = problem;
    this.code = code;
  }
}

/** What a codec inside has thrown, with the step that leads there. */
export function within(step: string, error: unknown): unknown {
  if (!(error instanceof Misfit)) return error;
  const { path, problem, code } = error;
  const separator = path === '' || path.startsWith('[') ? '' : '.';
  return new Misfit(problem, step + separator + path, code);
}

/**
 * The text that `write` makes. Throws AssertionError where the value cannot be written; `noun` is
 * what the whole is called in the message.
 */
export function written(noun: string, write: () => string): string {
  try {
    return write();
  } catch (error) {
    if (!(error instanceof Misfit)) throw error;
    throw new AssertionError(`${error.path || noun}: ${error.problem}`);
  }
}

/** What `read` takes in. Throws RecordError where it is not what it should be. */
export function taken<T>(noun: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Misfit)) throw error;
    throw new RecordError(error.code, `${error.path || noun}: ${error.problem}`);
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
  /** The fields as JSON, with a comma before each. */
  write(value: T): string;
  /** Adds the fields to `value` and returns it; `raw` has the fields `others` beside these. */
  read(
    raw: Readonly<Record<string, unknown>>,
    value: Record<string, unknown>,
    others: readonly string[],
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
  const plan: Step[] = Object.entries<Field<unknown, 'always' | 'optional'>>(fields).map(
    ([key, field]) => ({ key, ...field }),
  );
  const write = compiledWriter(plan);
  const read = compiledReader(plan);
  return {
    write(value) {
      const json = write(value);
      const wrong = problem(value);
      if (wrong !== undefined) throw new Misfit(wrong);
      return json;
    },
    read(raw, value, others) {
      const seen = read(raw, value) + others.length;
      if (Object.keys(raw).length !== seen) throw unknownField(raw, fields, others);
      const wrong = problem(value as T);
      if (wrong !== undefined) throw new Misfit(wrong);
      return value as T;
    },
  };
}

interface Step extends Field<unknown, 'always' | 'optional'> {
  readonly key: string;
}

/**
 * The writing of fields as code, one line a field, in the way serialisers are compiled of schemas: a
 * record takes half the time that a loop over the fields would. What gets into the code are names of
 * fields of ours, as JSON.
 */
function compiledWriter(plan: readonly Step[]): (value: object) => string {
  const lines = plan.map(({ key, presence, omitted }, at) => {
    const name = JSON.stringify(key);
    const there =
      presence === 'optional'
        ? 'member !== undefined'
        : omitted !== undefined
          ? `member === undefined || !plan[${at}].omitted.holds(member)`
          : 'true';
    const text = JSON.stringify(`,${name}:`);
    return `at = ${at}; member = value[${name}]; if (${there}) json += ${text} + codec${at}.write(member);`;
  });
  const source = `
    ${plan.map((_, at) => `const codec${at} = plan[${at}].codec;`).join('\n')}
    return (value) => {
      let json = '', at = 0, member;
      try {
        ${lines.join('\n')}
      } catch (error) {
        throw within(plan[at].key, error);
      }
      return json;
    };`;
  // oxlint-disable-next-line no-new-func -- see above
  return new Function('plan', 'within', source)(plan, within) as (value: object) => string;
}

/** The reading of fields in the same way: into `value`; returns how many there were. */
function compiledReader(plan: readonly Step[]): (raw: object, value: object) => number {
  const lines = plan.map(({ key, presence, omitted }, at) => {
    const name = JSON.stringify(key);
    const absent =
      omitted !== undefined
        ? `else value[${name}] = plan[${at}].omitted.value;`
        : presence === 'always'
          ? `else throw new Misfit('missing', ${name});`
          : '';
    return `member = raw[${name}]; if (member !== undefined) {
      seen++;
      try { value[${name}] = codec${at}.read(member); } catch (error) { throw within(${name}, error); }
    } ${absent}`;
  });
  const source = `
    ${plan.map((_, at) => `const codec${at} = plan[${at}].codec;`).join('\n')}
    return (raw, value) => {
      let seen = 0, member;
      ${lines.join('\n')}
      return seen;
    };`;
  // oxlint-disable-next-line no-new-func -- see above
  const compile = new Function('plan', 'within', 'Misfit', source);
  return compile(plan, within, Misfit) as (raw: object, value: object) => number;
}

/** An object within a record. */
export function struct<T extends object>(
  fields: Fields<T>,
  problem?: (value: T) => string | undefined,
): Codec<T> {
  const set = fieldSet(fields, problem);
  return {
    write: (value) => `{${set.write(value).slice(1)}}`,
    read(raw) {
      if (!isObject(raw)) throw new Misfit('expected an object');
      return set.read(raw, {}, []);
    },
  };
}

/** A list, in order. */
export function list<T>(codec: Codec<T>): Codec<readonly T[]> {
  return {
    write(values) {
      let json = '';
      for (let i = 0; i < values.length; i++) {
        try {
          json += (i === 0 ? '' : ',') + codec.write(values[i]!);
        } catch (error) {
          throw within(`[${i}]`, error);
        }
      }
      return `[${json}]`;
    },
    read(raw) {
      if (!Array.isArray(raw)) throw new Misfit('expected a list');
      return raw.map((item: unknown, index) => {
        try {
          return codec.read(item);
        } catch (error) {
          throw within(`[${index}]`, error);
        }
      });
    },
  };
}

/** A value that is written as it is; `expected` completes "expected …". */
export function plain<T>(
  expected: string,
  holds: (value: unknown) => value is T,
  json: (value: T) => string = JSON.stringify,
): Codec<T> {
  return {
    write(value) {
      if (!holds(value)) throw new Misfit(`expected ${expected}`);
      return json(value);
    },
    read(raw) {
      if (!holds(raw)) throw new Misfit(`expected ${expected}`);
      return raw;
    },
  };
}

export function oneOf<const T extends readonly (string | number)[]>(values: T): Codec<T[number]> {
  const known = new Map<unknown, string>(values.map((value) => [value, JSON.stringify(value)]));
  return plain(
    `one of ${values.join(', ')}`,
    (value): value is T[number] => known.has(value),
    (value) => known.get(value)!,
  );
}

let lastText = '';
let lastJson = '""';

/** A name as JSON: most often it is that of the record before. */
function quoted(name: string): string {
  if (name !== lastText) {
    lastJson = JSON.stringify(name);
    lastText = name;
  }
  return lastJson;
}

const nonEmpty = (value: unknown): value is string => typeof value === 'string' && value !== '';
export const text = plain('a non-empty string', nonEmpty, quoted);

const isString = (value: unknown): value is string => typeof value === 'string';
export const anyText = plain('a string', isString);

export const flag = plain('true or false', (value): value is boolean => {
  return typeof value === 'boolean';
});

/** Of a field that is there or not: its one value. */
export const yes = plain('true', (value): value is true => value === true);

/** An integer from 0 to 2^53 - 1. */
export const count = plain(
  'an integer from 0 to 2^53 - 1',
  (value): value is number => Number.isSafeInteger(value) && (value as number) >= 0,
  String,
);

/** Any keys at all, `__proto__` among them: own properties, as JSON.parse makes them. */
export const labels = plain('an object of strings', (value): value is Labels => {
  return isObject(value) && Object.keys(value).every((key) => typeof value[key] === 'string');
});

/** One past the highest address; also the largest size. */
export const spaceEnd = 1n << 128n;

const safeMax = BigInt(Number.MAX_SAFE_INTEGER);
const digitsMax = String(spaceEnd).length;
const canonicalDecimal = /^(?:0|[1-9][0-9]*)$/;

/** A bigint from 0 to 2^128, written in decimal: JSON numbers are exact only up to 2^53 - 1. */
export const decimal: Codec<bigint> = {
  write(value) {
    if (typeof value !== 'bigint' || value < 0n || value > spaceEnd) {
      throw new Misfit('expected an integer from 0 to 2^128');
    }
    // As a number it is written in half the time.
    return value <= safeMax ? `"${Number(value)}"` : `"${value}"`;
  },
  read(raw) {
    // The length is looked at first: parsing takes time that grows faster than the text.
    if (typeof raw === 'string' && raw.length <= digitsMax && canonicalDecimal.test(raw)) {
      const value = BigInt(raw);
      if (value <= spaceEnd) return value;
    }
    throw new Misfit('expected a decimal string from 0 to 2^128');
  },
};

/** A named part of an arena, as records and snapshots have it. */
export const band = struct<Band>({
  name: required(text),
  min: required(decimal),
  max: required(decimal),
  exclusive: omittedWhile(flag, false, (exclusive) => !exclusive),
});

/** The most that one owner may hold, as records and snapshots have it. */
export const ownerLimit = struct<OwnerLimit>({
  owner: required(anyText),
  limit: required(decimal),
});

function unknownField(raw: object, fields: object, others: readonly string[]): Misfit {
  const known = (key: string) => Object.hasOwn(fields, key) || others.includes(key);
  return new Misfit('unknown field', Object.keys(raw).find((key) => !known(key)) ?? '?');
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
