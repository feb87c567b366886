/**
 * Lines: values of a closed set of types, one to a line of versioned JSON that names its type.
 *
 * `{"v":1,"type":"gaps","arena":"pods","ordinals":[2,-1,3]}`
 *
 * A field may not change its meaning within a version, and everything about a line that is not
 * recognised is refused rather than skipped.
 */
import { AssertionError, assert } from '../engine/assert.ts';
import { isObject, RecordError, taken, written, type FieldSet } from './codec.ts';

interface Typed {
  readonly type: string;
}

/** The fields of each type of T, and what must hold between them: undefined where it does. */
export interface LineForm<T extends Typed> {
  readonly version: number;
  /** What a line is called in messages. */
  readonly noun: string;
  readonly fieldSets: {
    readonly [K in T['type']]: FieldSet<Omit<Extract<T, { type: K }>, 'type'>>;
  };
  problem(value: T): string | undefined;
}

/** One line, without its end. A value that could not be read again is an AssertionError. */
export function writeLine<T extends Typed>(form: LineForm<T>, value: T): string {
  const fields = fieldsOf(form, value.type);
  assert(fields !== undefined, `type ${value.type} is known`);
  const json = written(form.noun, () => fields.write(value));
  const wrong = form.problem(value);
  if (wrong !== undefined) throw new AssertionError(wrong);
  return `{"v":${form.version},"type":"${value.type}"${json}}`;
}

/** Reads what {@link writeLine} wrote; throws {@link RecordError} for anything else. */
export function readLine<T extends Typed>(form: LineForm<T>, line: string): T {
  let raw: unknown;
  try {
    raw = JSON.parse(line);
  } catch (cause) {
    throw new RecordError('malformed', `${form.noun}: not JSON`, { cause });
  }
  if (!isObject(raw)) throw new RecordError('malformed', `${form.noun}: expected an object`);
  const { v, type } = raw;
  if (!Number.isSafeInteger(v) || (v as number) < 1) {
    throw new RecordError('malformed', `v: expected the version of the ${form.noun}, from 1`);
  }
  if (v !== form.version) {
    const known = `known is ${form.version}`;
    throw new RecordError('unknown-version', `v: version ${String(v)}, ${known}`);
  }
  if (typeof type !== 'string') {
    throw new RecordError('malformed', `type: expected the type of the ${form.noun}, a string`);
  }
  const fields = fieldsOf(form, type);
  if (fields === undefined) {
    throw new RecordError('unknown-type', `type: ${JSON.stringify(type)} is not known`);
  }
  const value = taken(form.noun, () => fields.read(raw, { type }, ['v', 'type'])) as T;
  const wrong = form.problem(value);
  if (wrong !== undefined) throw new RecordError('malformed', wrong);
  return value;
}

/** The fields of a type take exactly the values of that type; the compiler can't follow the lookup. */
function fieldsOf<T extends Typed>(form: LineForm<T>, type: string): FieldSet<object> | undefined {
  if (!Object.hasOwn(form.fieldSets, type)) return undefined;
  return form.fieldSets[type as T['type']] as FieldSet<object>;
}
