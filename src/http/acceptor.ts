/**
 * Acceptors: the wire schemas as plain tests, compiled once. Most requests are valid, and most valid
 * ones are what the schema would make of them; to see that takes a tenth of the time that zod needs to
 * make it. So zod is asked only where the answer is no: it fills in what is left out, and says what is
 * wrong.
 *
 * An acceptor says yes just where zod accepts a JSON value and gives back its equal. A schema of a
 * kind that is not known here has none.
 */
import { z } from 'zod';

/** Whether a value is valid and complete. */
export type Acceptor = (value: unknown) => boolean;

/** The acceptor of a schema; undefined where it has parts that only zod knows. */
export function acceptorOf(schema: z.ZodType): Acceptor | undefined {
  const accepts = typeAcceptor(schema);
  if (accepts === undefined) return undefined;
  let all = accepts;
  for (const check of schema.def.checks ?? []) {
    const { def } = check['_zod'];
    const also = checkAcceptor(def as Check);
    if (also === undefined) return undefined;
    const before = all;
    all = (value) => before(value) && also(value);
  }
  return all;
}

function typeAcceptor(schema: z.ZodType): Acceptor | undefined {
  if (schema instanceof z.ZodString) return (value) => typeof value === 'string';
  if (schema instanceof z.ZodNumber) return schema.format === 'safeint' ? isInteger : undefined;
  if (schema instanceof z.ZodBoolean) return (value) => typeof value === 'boolean';
  if (schema instanceof z.ZodEnum) return oneOf(new Set<unknown>(schema.options));
  if (schema instanceof z.ZodLiteral) return oneOf(schema.values);
  if (schema instanceof z.ZodArray) return arrayAcceptor(schema);
  if (schema instanceof z.ZodRecord) return recordAcceptor(schema);
  if (schema instanceof z.ZodObject) return objectAcceptor(schema);
  return undefined;
}

const isInteger: Acceptor = (value) => Number.isSafeInteger(value);

function oneOf(values: ReadonlySet<unknown>): Acceptor {
  return (value) => values.has(value);
}

function arrayAcceptor(schema: z.ZodArray): Acceptor | undefined {
  const accepts = acceptorOf(schema.element as z.ZodType);
  if (accepts === undefined) return undefined;
  return (value) => {
    if (!Array.isArray(value)) return false;
    for (let i = 0; i < value.length; i++) {
      // One object many times, see repeats.ts, is looked at once.
      if ((i === 0 || value[i] !== value[i - 1]) && !accepts(value[i])) return false;
    }
    return true;
  };
}

function recordAcceptor(schema: z.ZodRecord): Acceptor | undefined {
  const acceptsKey = acceptorOf(schema.keyType as z.ZodType);
  const accepts = acceptorOf(schema.valueType as z.ZodType);
  if (acceptsKey === undefined || accepts === undefined) return undefined;
  return (value) => {
    if (!isObject(value)) return false;
    for (const key in value) {
      // zod leaves it out.
      if (key === '__proto__' || !acceptsKey(key) || !accepts(value[key])) return false;
    }
    return true;
  };
}

interface Field {
  readonly accepts: Acceptor;
  readonly required: boolean;
}

function objectAcceptor(schema: z.ZodObject): Acceptor | undefined {
  const fields = new Map<string, Field>();
  for (const [key, field] of Object.entries(schema.shape)) {
    const optional = field instanceof z.ZodOptional || field instanceof z.ZodExactOptional;
    // Where a default is to be filled in, zod has to do it.
    const whole = !optional && !(field instanceof z.ZodDefault);
    const accepts = acceptorOf((whole ? field : field.unwrap()) as z.ZodType);
    if (accepts === undefined) return undefined;
    fields.set(key, { accepts, required: !optional });
  }
  const { catchall } = schema.def;
  if (catchall instanceof z.ZodUnknown) return amongOthers(fields);
  // Without a catchall others are left out, with this one they are refused.
  return catchall === undefined || catchall instanceof z.ZodNever ? alone(fields) : undefined;
}

/** Of an object with these fields and no others. */
function alone(fields: ReadonlyMap<string, Field>): Acceptor {
  const needed = [...fields.values()].filter(({ required }) => required).length;
  return (value) => {
    if (!isObject(value)) return false;
    let missing = needed;
    for (const key in value) {
      const field = fields.get(key);
      if (field === undefined || !field.accepts(value[key])) return false;
      if (field.required) missing--;
    }
    return missing === 0;
  };
}

/** Of an object that may have other fields, too. */
function amongOthers(fields: ReadonlyMap<string, Field>): Acceptor {
  return (value) => {
    // zod leaves that one out.
    if (!isObject(value) || Object.hasOwn(value, '__proto__')) return false;
    for (const [key, { accepts, required }] of fields) {
      if (key in value ? !accepts(value[key]) : required) return false;
    }
    return true;
  };
}

/** As zod keeps it. */
interface Check {
  readonly check: string;
  readonly format?: string;
  readonly pattern?: RegExp;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly value?: number;
  readonly inclusive?: boolean;
  readonly fn?: (value: unknown) => unknown;
}

/** Only asked about values of the type that the check is of. */
function checkAcceptor(check: Check): Acceptor | undefined {
  const { format, pattern, minimum = 0, maximum = 0, value: bound = 0, inclusive, fn } = check;
  switch (check.check) {
    case 'string_format':
      if (format !== 'regex' || pattern === undefined || /[gy]/.test(pattern.flags))
        return undefined;
      return (value) => pattern.test(value as string);
    case 'min_length':
      return (value) => (value as string).length >= minimum;
    case 'max_length':
      return (value) => (value as string).length <= maximum;
    case 'greater_than':
      return (value) => (value as number) > bound || (inclusive === true && value === bound);
    case 'less_than':
      return (value) => (value as number) < bound || (inclusive === true && value === bound);
    case 'custom':
      // Ours are functions of the value alone, and none of them is asynchronous.
      return fn && ((value) => fn(value) === true);
    default:
      return undefined;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
