/**
 * The lines of a dump: NDJSON, an object to a line, whose `type` says what it is. Arenas, spans and
 * allocations look as they do in the API; the other lines are what else it takes to make the same
 * state again.
 *
 * - `dump`, the first line: the version of the format, the revision, the hash of the state.
 * - `lease`, in order of id.
 * - `arena`, a source before those that import from it; all lines up to the next one are its:
 *   `span` and `slab`, each in order of address, `allocation` and `resting` together so, the latter
 *   being what was freed and may not be reused yet, then `gaps`: its free segments, the one freed
 *   longest ago first, which decides what instantfit takes next.
 * - `end`, the last line: how many there are before it, so that a dump that was cut off is noticed.
 */
import { z } from 'zod';
import { validatorCompiler } from '../http/contract.ts';
import { invalidInput } from '../http/invalid-input.ts';
import {
  addressInput,
  arenaName,
  externalId,
  integerInput,
  labels,
  leaseId,
  notation,
  owner,
  policy,
  ttlSeconds,
  width,
} from '../http/wire/field.ts';
import { bandInput, ownerLimitInput } from '../http/wire/arena.ts';
import { limits } from '../limits.ts';

export const dumpVersion = 1;

const revision = z
  .int('must be an integer from 0 to 9007199254740991')
  .min(0, 'must be at least 0');
const timeText = 'must be a time in UTC, such as 2026-01-31T12:00:00.000Z';
const time = z
  .string({ error: timeText })
  .refine((text) => /^[0-9+-]{4,}-.+Z$/.test(text) && Date.parse(text) >= 0, timeText);
const derived = z.string('must be a string, or be left out').exactOptional();
const size = integerInput('');
const count = z.int('must be an integer from 0 on').min(0, 'must be at least 0');

const schemas = {
  dump: z.strictObject({
    type: z.literal('dump'),
    version: z.literal(dumpVersion, {
      error: `must be ${dumpVersion}: another version of vmemd wrote this; load it with that one`,
    }),
    revision,
    stateHash: z
      .string('must be 64 hexadecimal digits')
      .regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits')
      .exactOptional(),
  }),
  lease: z.strictObject({
    type: z.literal('lease'),
    id: leaseId,
    ttlSeconds,
    owner: owner.exactOptional(),
    labels,
    endsWhenEmpty: z.boolean('must be true or false').exactOptional(),
    createdAt: time,
    revision,
  }),
  arena: z.strictObject({
    type: z.literal('arena'),
    name: arenaName,
    notation,
    width,
    quantum: size,
    policy,
    source: arenaName.exactOptional(),
    importSize: size.exactOptional(),
    largeImport: z.boolean('must be true or false'),
    keepSpans: count.max(limits.keepSpansMax, `must be at most ${limits.keepSpansMax}`),
    releaseAfterSeconds: count.max(
      limits.releaseAfterSecondsMax,
      `must be at most ${limits.releaseAfterSecondsMax}`,
    ),
    quarantineSeconds: count
      .max(limits.quarantineSecondsMax, `must be at most ${limits.quarantineSecondsMax}`)
      .exactOptional(),
    quantumCacheMax: size,
    limit: size.exactOptional(),
    ownerLimit: size.exactOptional(),
    ownerLimits: z
      .array(ownerLimitInput, 'must be a list of limits')
      .max(limits.ownerLimitsMax, `must have at most ${limits.ownerLimitsMax} limits`)
      .exactOptional(),
    bands: z
      .array(bandInput, 'must be a list of bands')
      .max(limits.bandsMax, `must have at most ${limits.bandsMax} bands`)
      .exactOptional(),
    labels,
    createdAt: time,
    revision,
    nextfitFrom: size.exactOptional(),
  }),
  span: z.strictObject({
    type: z.literal('span'),
    arena: arenaName,
    base: addressInput(''),
    end: derived,
    size,
    cidr: derived,
    kind: z.enum(['static', 'imported'], { error: 'must be static or imported' }),
    from: arenaName.exactOptional(),
    idleSince: revision.exactOptional(),
    revision,
  }),
  slab: z.strictObject({
    type: z.literal('slab'),
    arena: arenaName,
    base: addressInput(''),
    pieceSize: size,
  }),
  allocation: z.strictObject({
    type: z.literal('allocation'),
    arena: arenaName,
    address: addressInput(''),
    end: derived,
    size,
    cidr: derived,
    labels,
    owner: owner.exactOptional(),
    importedBy: arenaName.exactOptional(),
    externalId: externalId.exactOptional(),
    lease: leaseId.exactOptional(),
    createdAt: time,
    revision,
  }),
  resting: z.strictObject({
    type: z.literal('resting'),
    arena: arenaName,
    address: addressInput(''),
    end: derived,
    size,
    cidr: derived,
    restingSince: revision,
    labels: labels.exactOptional(),
    owner: owner.exactOptional(),
    externalId: externalId.exactOptional(),
    createdAt: time.exactOptional(),
    revision: revision.exactOptional(),
  }),
  gaps: z.strictObject({
    type: z.literal('gaps'),
    arena: arenaName,
    addresses: z.array(z.string('must be a string'), { error: 'must be a list of addresses' }),
  }),
  end: z.strictObject({ type: z.literal('end'), lines: count }),
};

type Schemas = typeof schemas;
export type LineType = keyof Schemas;
export type DumpLine<T extends LineType = LineType> = { [K in T]: z.output<Schemas[K]> }[T];

const types = Object.keys(schemas) as LineType[];

/** `true`: the value is as it has to be. */
type Validate = (value: unknown) => true | { value: unknown } | { error: Error };

const validators = Object.fromEntries(
  types.map((type) => {
    const route = { schema: schemas[type], httpPart: 'body', method: '', url: '' };
    return [type, validatorCompiler(route) as Validate];
  }),
) as Readonly<Record<LineType, Validate>>;

/** Reads a line. Throws InvalidInput, with a pointer to the field. */
export function readLine(text: string): DumpLine {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalidInput('', 'must be one JSON object, on one line');
  }
  const type = typeof value === 'object' && value !== null && 'type' in value && value.type;
  const known = types.find((name) => name === type);
  if (known === undefined) throw invalidInput('/type', `must be one of ${types.join(', ')}`);
  const result = validators[known](value);
  if (result === true) return value as DumpLine;
  if ('error' in result) throw result.error;
  return result.value as DumpLine;
}
