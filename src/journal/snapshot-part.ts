/**
 * The text of one part of a snapshot: a line of versioned JSON, with what there is much of in columns.
 *
 * `{"v":1,"type":"segments","arena":"pods","sizes":[4,60],"states":"bf","createdAt":[…],…}`
 *
 * Numbers that tend to grow (times, revisions, places) are written as the first one and then by how
 * much each exceeds the one before. A size is a number of quanta, a decimal string beyond 2^53 - 1;
 * states are letters: `f`ree, `b`usy, `c`ached, `r`esting. Equal parts are equal texts, and every value is checked
 * on both ways.
 */
import type { About } from '../engine/allocations.ts';
import { notations, policies, widths, type Labels } from '../engine/command.ts';
import type { LeaseTerms } from '../engine/leases.ts';
import { BUSY, FREE, HELD } from '../engine/narrow/segments.ts';
import { RESTING } from '../engine/snapshot.ts';
import type { SavedSlab, SavedSpan, SegmentsPart, SnapshotPart } from '../engine/snapshot.ts';
import type { Column, Quanta } from '../engine/space.ts';
import {
  anyText,
  band,
  count,
  decimal,
  fieldSet,
  flag,
  labels,
  list,
  Misfit,
  omittedWhile,
  oneOf,
  optional,
  ownerLimit,
  required,
  spaceEnd,
  struct,
  text,
  within,
  type Codec,
} from './codec.ts';
import { readLine, writeLine, type LineForm } from './line.ts';

/** One line, without its end. A part that could not be decoded again is an AssertionError. */
export function encodePart(part: SnapshotPart): string {
  return writeLine(form, part);
}

/** Decodes what {@link encodePart} wrote; throws RecordError for anything else. */
export function decodePart(line: string): SnapshotPart {
  return readLine(form, line);
}

/** Integers from 0 to 2^53 - 1, each written as its difference from the one before. */
const differences: Codec<Column> = {
  write(values) {
    const wire: number[] = [];
    let before = 0;
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      if (!isCount(value)) throw new Misfit('expected integers below 2^53');
      wire.push(value - before);
      before = value;
    }
    return JSON.stringify(wire);
  },
  read(raw) {
    const wire = column(raw);
    const values = new Float64Array(wire.length);
    let value = 0;
    for (let i = 0; i < wire.length; i++) {
      const difference = wire[i];
      // A sum of two safe integers that is not exact is far out of the range.
      if (Number.isSafeInteger(difference)) value += difference as number;
      else value = -1;
      if (!isCount(value)) throw misfit(i, 'a step to an integer below 2^53');
      values[i] = value;
    }
    return values;
  },
};

/** Sizes: numbers where those are exact. */
const quanta: Codec<Column<Quanta>> = {
  write(values) {
    const wire = Array.from(values, (value) => {
      if (typeof value === 'number' && isCount(value) && value > 0) return value;
      if (typeof value === 'bigint' && isLarge(value)) return value.toString();
      throw new Misfit('expected sizes from 1 to 2^128');
    });
    return JSON.stringify(wire);
  },
  read(raw) {
    const wire = column(raw);
    const values = new Float64Array(wire.length);
    for (let i = 0; i < wire.length; i++) {
      const item = wire[i];
      if (typeof item !== 'number') return wire.map(quantaOf);
      values[i] = sizeOf(item, i);
    }
    return values;
  },
};

/** The letters of FREE, BUSY, HELD and RESTING, at their numbers. */
const letters: readonly number[] = (() => {
  const codes: number[] = [];
  for (const [state, letter] of [
    [FREE, 'f'],
    [BUSY, 'b'],
    [HELD, 'c'],
    [RESTING, 'r'],
  ] as const) {
    codes[state] = letter.charCodeAt(0);
  }
  return codes;
})();

const states: Codec<Column> = {
  write(values) {
    const codes = Array.from(values, (state) => letters[state]);
    if (codes.includes(undefined)) throw new Misfit('expected known states');
    return `"${String.fromCharCode(...(codes as number[]))}"`;
  },
  read(raw) {
    if (typeof raw !== 'string') throw new Misfit('expected a string of the letters f, b, c and r');
    const values = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) {
      const state = letters.indexOf(raw.charCodeAt(i));
      if (state < 0) throw misfit(i, 'one of the letters f, b, c and r');
      values[i] = state;
    }
    return values;
  },
};

/** A power of two up to 2^128. */
const binary: Codec<bigint> = {
  write: (value) => decimal.write(value),
  read(raw) {
    const value = decimal.read(raw);
    if (value === 0n || (value & (value - 1n)) !== 0n) throw new Misfit('expected a power of two');
    return value;
  },
};

// Shared by all that have none: there may be millions of them in memory.
const noLabels: Labels = Object.freeze({});
const labelsOrNone = omittedWhile(labels, noLabels, (value) => Object.keys(value).length === 0);

const span = struct<SavedSpan>({
  base: required(decimal),
  size: required(decimal),
  imported: omittedWhile(flag, false, (imported) => !imported),
  revision: required(count),
  idleSince: optional(count),
});

const slab = struct<SavedSlab>({ base: required(decimal), pieceSize: required(decimal) });

const about = struct<About>({
  labels: labelsOrNone,
  owner: optional(anyText),
  importedBy: optional(text),
  externalId: optional(text),
});

const lease = struct<LeaseTerms>({
  id: required(text),
  ttlSeconds: required(count),
  owner: optional(anyText),
  labels: labelsOrNone,
  createdAt: required(count),
  revision: required(count),
  endsWhenEmpty: omittedWhile(flag, false, (ends) => !ends),
});

type PartOf<T extends SnapshotPart['type']> = Omit<Extract<SnapshotPart, { type: T }>, 'type'>;

const form: LineForm<SnapshotPart> = {
  version: 1,
  noun: 'part',
  fieldSets: {
    leases: fieldSet<PartOf<'leases'>>({ leases: required(list(lease)) }),
    arena: fieldSet<PartOf<'arena'>>({
      arena: required(text),
      notation: required(oneOf(notations)),
      width: required(oneOf(widths)),
      quantum: required(binary),
      policy: required(oneOf(policies)),
      source: optional(text),
      importSize: optional(decimal),
      largeImport: required(flag),
      keepSpans: required(count),
      releaseAfterSeconds: required(count),
      quarantineSeconds: omittedWhile(count, 0, (seconds) => seconds === 0),
      quantumCacheMax: required(decimal),
      limit: optional(decimal),
      ownerLimit: optional(decimal),
      ownerLimits: optional(list(ownerLimit)),
      bands: optional(list(band)),
      labels: labelsOrNone,
      createdAt: required(count),
      revision: required(count),
      cursor: required(decimal),
    }),
    spans: fieldSet<PartOf<'spans'>>({ arena: required(text), spans: required(list(span)) }),
    slabs: fieldSet<PartOf<'slabs'>>({ arena: required(text), slabs: required(list(slab)) }),
    segments: fieldSet<PartOf<'segments'>>({
      arena: required(text),
      sizes: required(quanta),
      states: required(states),
      createdAt: required(differences),
      revisions: required(differences),
      restingSince: optional(differences),
    }),
    abouts: fieldSet<PartOf<'abouts'>>({
      arena: required(text),
      ordinals: required(differences),
      abouts: required(list(about)),
    }),
    leased: fieldSet<PartOf<'leased'>>({
      arena: required(text),
      ordinals: required(differences),
      leases: required(differences),
    }),
    gaps: fieldSet<PartOf<'gaps'>>({ arena: required(text), ordinals: required(differences) }),
  },
  problem: contradiction,
};

/** What is wrong between the fields of a part. */
function contradiction(part: SnapshotPart): string | undefined {
  switch (part.type) {
    case 'arena':
      if (part.quantumCacheMax % part.quantum !== 0n || part.quantumCacheMax > part.quantum * 16n) {
        return 'quantumCacheMax: expected up to 16 quanta';
      }
      return undefined;
    case 'spans':
      return part.spans.map(spanContradiction).find((wrong) => wrong !== undefined);
    case 'slabs':
      return part.slabs.some(({ base, pieceSize }) => pieceSize === 0n || base === spaceEnd)
        ? 'slabs: a slab without room'
        : undefined;
    case 'segments':
      return segmentsContradiction(part);
    case 'abouts':
      if (part.ordinals.length !== part.abouts.length) return 'abouts: expected one per ordinal';
      return inOrder(part.ordinals) ? undefined : 'ordinals: expected each once, in order';
    case 'leased':
      if (part.ordinals.length !== part.leases.length) return 'leases: expected one per ordinal';
      return inOrder(part.ordinals) ? undefined : 'ordinals: expected each once, in order';
    case 'leases':
    case 'gaps':
      return undefined;
  }
}

function inOrder(ordinals: Column): boolean {
  for (let i = 1; i < ordinals.length; i++) if (ordinals[i - 1]! >= ordinals[i]!) return false;
  return true;
}

function spanContradiction({ base, size, imported, idleSince }: SavedSpan): string | undefined {
  if (size === 0n || base + size > spaceEnd) return 'spans: a range of size 0, or above 2^128';
  return idleSince === undefined || imported ? undefined : 'spans: idleSince is of imported ones';
}

function segmentsContradiction(part: SegmentsPart): string | undefined {
  if (part.states.length !== part.sizes.length) return 'states: expected one per size';
  let known = 0;
  let resting = 0;
  for (let i = 0; i < part.states.length; i++) {
    const state = part.states[i];
    if (state === BUSY || state === RESTING) known++;
    if (state === RESTING) resting++;
  }
  const each = 'expected one per busy or resting segment';
  if (part.createdAt.length !== known) return `createdAt: ${each}`;
  if (part.revisions.length !== known) return `revisions: ${each}`;
  if ((part.restingSince ?? []).length === resting && part.restingSince?.length !== 0)
    return undefined;
  return 'restingSince: expected one per resting segment, or nothing';
}

function column(raw: unknown): readonly unknown[] {
  if (!Array.isArray(raw)) throw new Misfit('expected a list');
  return raw;
}

function quantaOf(item: unknown, index: number): Quanta {
  if (typeof item === 'number') return sizeOf(item, index);
  let value: bigint;
  try {
    value = decimal.read(item);
  } catch (error) {
    throw within(`[${index}]`, error);
  }
  if (!isLarge(value)) throw misfit(index, 'a size, in digits only from 2^53 on');
  return value;
}

function sizeOf(item: number, index: number): number {
  if (!isCount(item) || item === 0) throw misfit(index, 'a size, in digits only from 2^53 on');
  return item;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function isLarge(value: bigint): boolean {
  return value > BigInt(Number.MAX_SAFE_INTEGER) && value <= spaceEnd;
}

function misfit(index: number, expected: string): Misfit {
  return new Misfit(`expected ${expected}`, `[${index}]`);
}
