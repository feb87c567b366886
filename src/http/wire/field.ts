/**
 * The fields that occur in more than one representation, and how components are named. A component
 * is named once, with `named`, and is then referred to wherever it is used.
 *
 * Integers that can exceed 2^53−1 are strings on the wire. Clients may send a JSON integer up to
 * 2^53−1 instead; the validator turns it into a string before these schemas see it, because a union
 * of string and integer breaks generated clients. `wide` knows which schemas that is true of.
 */
import { z } from 'zod';
import { notations, policies, widths } from '../../engine/command.ts';
import { limits } from '../../limits.ts';
import { integerPattern } from '../notation.ts';

const componentNames = new Set<string>();

/** Makes `schema` the component `name`, which must be new: zod itself lets the last one win. */
export function named<S extends z.ZodType>(
  name: string,
  schema: S,
  meta: { description: string; examples?: [z.input<S>, ...z.input<S>[]] },
): S {
  if (componentNames.has(name)) throw new Error(`component ${name} is defined twice`);
  componentNames.add(name);
  return schema.meta({ id: name, ...meta });
}

/** Schemas of integers that are strings on the wire. */
export const wide = z.registry<{ integer: true }>();

/** The error of a field of the wrong type; one that is missing has nothing else wrong with it. */
function unlessMissing(text: string) {
  return ({ input }: { input?: unknown }) => (input === undefined ? 'is missing' : text);
}

/** A size, distance or count of addresses in a request. */
export function integerInput(description: string) {
  const schema = z
    .string({ error: unlessMissing('must be a string, or an integer from 0 to 9007199254740991') })
    .regex(integerPattern, 'must be a decimal or 0x hexadecimal integer without leading zeros')
    .meta({
      description:
        `${description} Decimal or \`0x\` hexadecimal. ` +
        'A JSON integer from 0 to 9007199254740991 is accepted too.',
    });
  return schema.register(wide, { integer: true });
}

/** An address in a request: also in the arena's notation, so that only its form is checked here. */
export function addressInput(description: string) {
  const schema = z
    .string({ error: unlessMissing('must be a string, or an integer from 0 to 9007199254740991') })
    .min(1, 'must not be empty')
    .max(limits.addressCharactersMax, `must have at most ${limits.addressCharactersMax} characters`)
    .meta({
      description:
        `${description} In the arena's notation, decimal or \`0x\` hexadecimal. ` +
        'A JSON integer from 0 to 9007199254740991 is accepted too.',
    });
  return schema.register(wide, { integer: true });
}

/** A range in a query, as one text. */
export function rangeInput(description: string) {
  return z
    .string()
    .min(1, 'must not be empty')
    .max(limits.rangeCharactersMax, `must have at most ${limits.rangeCharactersMax} characters`)
    .meta({
      description:
        `${description} A CIDR block, an address, or the first and the last one with a hyphen ` +
        'between them.',
    });
}

/** A size or count of addresses in a reply: decimal. */
export function integerOutput(description: string) {
  return z
    .string()
    .regex(/^(0|[1-9][0-9]{0,38})$/)
    .meta({ description });
}

/** An address in a reply: in the arena's notation. */
export function addressOutput(description: string) {
  return z.string().meta({ description: `${description} In the arena's notation.` });
}

export function cidrOutput() {
  return z.string().meta({
    description:
      'The range as a CIDR block, in arenas of the ipv4 and ipv6 notations, where it is one.',
  });
}

/** A number of things, in a reply. */
export function countOutput(description: string) {
  return z.int().min(0).meta({ description });
}

export const revisionText = 'must be a revision, an integer from 0';

export const revision = z
  .int(revisionText)
  .min(0, revisionText)
  .meta({ description: 'Place of the last change of this in the total order of all changes.' });

export const timestamp = z
  .string()
  .meta({ description: 'RFC 3339, UTC.', override: { format: 'date-time' } });

const arenaNameText =
  `must be 1 to ${limits.arenaNameCharactersMax} characters of a-z, 0-9, ".", "_" and "-", ` +
  'beginning with a letter or digit';

export const arenaName = z
  .string()
  .regex(new RegExp(`^[a-z0-9][a-z0-9._-]{0,${limits.arenaNameCharactersMax - 1}}$`), arenaNameText)
  .meta({ description: 'Name of the arena; dots for hierarchy, as in `team-a.pods`.' });

export const arenaPrefix = z
  .string()
  .regex(
    new RegExp(`^[a-z0-9][a-z0-9._-]{0,${limits.arenaNameCharactersMax - 1}}$`),
    'must be how a name of an arena begins, such as team-a.',
  )
  .meta({ description: 'Only of arenas whose names begin so, such as `team-a.`.' });

export const bandName = z
  .string()
  .regex(new RegExp(`^[a-z0-9][a-z0-9._-]{0,${limits.arenaNameCharactersMax - 1}}$`), arenaNameText)
  .meta({ description: 'Name of a band, such as `static` or `dynamic`.' });

export const notation = z
  .enum(notations)
  .meta({ description: 'How addresses are written in replies.' });

// A literal of several numbers is documented as "number"; generators want "integer".
export const width = z
  .literal(widths, { error: 'must be 32, 64 or 128' })
  .meta({ description: 'Bits of an address.', override: { type: 'integer' } });

export const policy = z.enum(policies).meta({
  description:
    'Which of the fitting free segments is taken. instantfit: any of a size class in which all ' +
    'are large enough, in constant time; bestfit: the smallest; firstfit: the lowest; lastfit: ' +
    'the highest; nextfit: the first after the last grant; randomfit: any, at random.',
});

/**
 * Text of a client's own, 0 or 1 to `charactersMax` code points. Control characters and lone
 * surrogates are refused because not every store and terminal gives them back unchanged.
 */
function freeText(charactersMin: number, charactersMax: number) {
  const text =
    `must have ${charactersMin} to ${charactersMax} characters, ` +
    'none of them control characters';
  return z
    .string()
    .refine(
      (value) =>
        value.length >= charactersMin &&
        value.length <= 2 * charactersMax &&
        (value.length <= charactersMax || [...value].length <= charactersMax) &&
        !/[\p{Cc}\p{Cs}]/u.test(value),
      text,
    )
    .meta({ override: { minLength: charactersMin, maxLength: charactersMax } });
}

export const owner = freeText(1, limits.ownerCharactersMax).meta({
  description: 'Who holds the allocation, in the words of the client.',
  override: { minLength: 1, maxLength: limits.ownerCharactersMax },
});

export const externalId = freeText(1, limits.externalIdCharactersMax).meta({
  description:
    "The client's own id of the allocation, unique in the arena. Asked for again with it, the " +
    'same allocation is answered, with 200.',
  override: { minLength: 1, maxLength: limits.externalIdCharactersMax },
});

const leaseIdText = 'must be the id of a lease, such as 3f0c9a52-61d8-4d7e-9a3b-0c2f5f1f7e11';

export const leaseId = z
  .string()
  .regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, leaseIdText)
  .meta({ description: 'Id of the lease: random, of the service.' });

const ttlText = `must be an integer from 1 to ${limits.ttlSecondsMax}`;

export const ttlSeconds = z
  .int({ error: unlessMissing(ttlText) })
  .min(1, ttlText)
  .max(limits.ttlSecondsMax, ttlText)
  .meta({ description: 'How many seconds it lasts from now on, and from each renewal.' });

const labelKeyText =
  `a label's key must be 1 to ${limits.labelKeyCharactersMax} characters of A-Z, a-z, 0-9, ` +
  '".", "_", "/" and "-", beginning with a letter or digit';

export const labelKeyPattern = new RegExp(
  `^[A-Za-z0-9][A-Za-z0-9._/-]{0,${limits.labelKeyCharactersMax - 1}}$`,
);

// `propertyNames` is left out of the document: generators break on it. The pattern is in words.
export const labels = z
  .record(
    z.string().regex(labelKeyPattern, labelKeyText),
    freeText(0, limits.labelValueCharactersMax),
    { error: 'must be an object of strings' },
  )
  .refine(
    (value) => Object.keys(value).length <= limits.labelsMax,
    `must have at most ${limits.labelsMax} labels`,
  )
  .meta({
    description: `Keys and values of the client's own. Keys match \`${labelKeyPattern.source}\`.`,
    override: (context: { jsonSchema: Record<string, unknown> }) => {
      delete context.jsonSchema['propertyNames'];
      context.jsonSchema['maxProperties'] = limits.labelsMax;
    },
  });

export const cursor = z
  .string()
  .regex(/^[A-Za-z0-9_-]+$/, 'must be the nextCursor of the page before')
  .max(limits.cursorCharactersMax, 'must be the nextCursor of the page before')
  .meta({ description: 'The `nextCursor` of the page before.' });

export const pageLimit = z
  .int(`must be an integer from 1 to ${limits.pageItemsMax}`)
  .min(1, `must be at least 1`)
  .max(limits.pageItemsMax, `must be at most ${limits.pageItemsMax}`)
  .default(limits.pageItemsDefault)
  .meta({ description: 'Most items in the page.' });

/** The fields of a page of a list; `order` says by what its items are ordered. */
export function pageFields<S extends z.ZodType>(item: S, order: string) {
  return {
    items: z.array(item).meta({ description: `In the order of their ${order}.` }),
    nextCursor: z.string().exactOptional().meta({
      description: 'Give this as `cursor` to get the next page. Absent on the last page.',
    }),
  };
}

export const ifMatch = z
  .string()
  .regex(/^(\*|"(0|[1-9][0-9]{0,15})")$/, 'must be an ETag of a reply, such as "7", or *')
  .meta({
    description:
      'Only if the revision is still this one: the `ETag` of an earlier reply. 412 if not.',
  });
