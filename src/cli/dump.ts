/**
 * `vmemd dump`: the state as text for people and for jq, from which `vmemd load` makes the same
 * state again; dump-line.ts has the format. The lines are made one after another, so that the dump
 * takes little memory beyond the engine.
 */
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import type { Writable } from 'node:stream';
import { InvalidSetting, type Flags } from '../config.ts';
import { assert, unreachable } from '../engine/assert.ts';
import { Engine } from '../engine/engine.ts';
import type { LeaseTerms } from '../engine/leases.ts';
import type { ArenaPart, SavedSlab, SavedSpan } from '../engine/snapshot.ts';
import type { Column } from '../engine/space.ts';
import type { RestView } from '../engine/view.ts';
import { arenaSpace } from '../http/address-space.ts';
import { formatAddress, type AddressSpace } from '../http/notation.ts';
import {
  allocationRepresentation,
  bandsRepresentation,
  ownerLimitsRepresentation,
  rangeRepresentation,
  spanRepresentation,
  timeText,
} from '../http/representation.ts';
import { recover } from '../journal/recovery.ts';
import { pathOf, sourceOf, withJournal, type Work } from './data-source.ts';
import { dumpVersion, type DumpLine } from './dump-line.ts';
import { makeFile } from './new-file.ts';
import { stateHashOf } from './state-hash.ts';
import { print, type Terminal } from './terminal.ts';
import type { Progress } from './progress.ts';

/** Lines are written so many characters at a time. */
const batchCharacters = 65_536;
const allocationsPerPage = 1000;
const gapsPerLine = 1000;

/** Runs the tool. Rejects with InvalidSetting, ToolError or RecoveryError. */
export async function dump(flags: Flags, terminal: Terminal): Promise<void> {
  const { to, force, ...others } = flags;
  if (to === undefined && force !== undefined) {
    throw new InvalidSetting('--force is for a file: give one with --to.');
  }
  const source = sourceOf(others, terminal.environment);
  const path = to === undefined ? undefined : pathOf('to', to);
  const work: Work<void> = async (journal, progress) => {
    const engine = new Engine();
    await recover(journal, engine, {
      onProgress: (done) => progress.update('records read', done),
    });
    if (path === undefined) return writeDump(engine, terminal.output, progress);
    return makeFile(path, force === true, async (partial) => {
      const file = createWriteStream(partial, { flags: 'wx', mode: 0o600 });
      // An error is met where it is waited for; without a listener it would end the process.
      file.on('error', () => undefined);
      await writeDump(engine, file, progress);
      file.end();
      await finished(file);
    });
  };
  // Answers kept for idempotency keys are not in a dump, so it can be made where they are damaged.
  await withJournal(source, terminal, work, { keyed: false });
}

/** Writes the dump of an engine, which must not change meanwhile. */
export async function writeDump(engine: Engine, to: Writable, progress: Progress): Promise<void> {
  let batch = '';
  let lines = 0;
  for (const line of linesOf(engine)) {
    batch += `${JSON.stringify(line)}\n`;
    lines += 1;
    if (batch.length < batchCharacters) continue;
    await print(to, batch);
    batch = '';
    progress.update('lines written', lines);
  }
  await print(to, batch);
}

/** The lines of a dump, `end` included. */
export function* linesOf(engine: Engine): Generator<DumpLine> {
  let lines = 1;
  const { revision } = engine;
  yield { type: 'dump', version: dumpVersion, revision, stateHash: stateHashOf(engine) };
  for (const line of stateLines(engine)) {
    yield line;
    lines += 1;
  }
  yield { type: 'end', lines };
}

/**
 * The leases, then arena by arena. The parts of the snapshot say what there is; allocations, and where the free
 * segments are, come from the engine's own walks, which give them as the API does.
 */
function* stateLines(engine: Engine): Generator<DumpLine> {
  let space: AddressSpace | undefined;
  let source: string | undefined;
  let walked = false;
  let gaps: bigint[] | undefined;
  for (const part of engine.snapshot()) {
    if (part.type === 'arena') {
      space = arenaSpace(engine, part.arena);
      source = part.source;
      walked = false;
      gaps = undefined;
      // A walk may build an order, which must not happen while the segments are being read.
      engine.walkSegments(part.arena, 0n, () => false);
      yield arenaLine(part);
      continue;
    }
    if (part.type === 'leases') {
      for (const terms of part.leases) yield leaseLine(terms);
      continue;
    }
    const { arena } = part;
    assert(space !== undefined, 'a part of an arena comes after its first');
    switch (part.type) {
      case 'spans':
        for (const span of part.spans) yield spanLine(arena, source, span, space);
        break;
      case 'slabs':
        for (const slab of part.slabs) yield slabLine(arena, slab, space);
        break;
      case 'segments':
      case 'abouts':
      case 'leased':
        if (!walked) yield* allocationLines(engine, arena, space);
        walked = true;
        break;
      case 'gaps':
        gaps ??= gapsOf(engine, arena);
        yield* gapsLines(arena, part.ordinals, gaps, space);
        break;
      default:
        unreachable(part);
    }
  }
}

function leaseLine(terms: LeaseTerms): DumpLine {
  const { id, ttlSeconds, owner, labels, createdAt, revision, endsWhenEmpty, ...others } = terms;
  others satisfies Record<string, never>;
  return {
    type: 'lease',
    id,
    ttlSeconds,
    ...(owner !== undefined && { owner }),
    labels,
    ...(endsWhenEmpty && { endsWhenEmpty }),
    createdAt: timeText(createdAt),
    revision,
  };
}

function arenaLine(part: ArenaPart): DumpLine {
  const { type, arena: name, notation, width, quantum, policy, source, ...settings } = part;
  const { importSize, largeImport, keepSpans, releaseAfterSeconds, ...more } = settings;
  const { quarantineSeconds, ...rest } = more;
  const { quantumCacheMax, limit, ownerLimit, ownerLimits, bands, ...further } = rest;
  const { labels, createdAt, revision, cursor, ...others } = further;
  // Does not compile where an arena has something that its line has not.
  others satisfies Record<string, never>;
  return {
    type,
    name,
    notation,
    width,
    quantum: quantum.toString(),
    policy,
    ...(source !== undefined && { source }),
    ...(importSize !== undefined && { importSize: importSize.toString() }),
    largeImport,
    keepSpans,
    releaseAfterSeconds,
    ...(quarantineSeconds !== 0 && { quarantineSeconds }),
    quantumCacheMax: quantumCacheMax.toString(),
    ...(limit !== undefined && { limit: limit.toString() }),
    ...(ownerLimit !== undefined && { ownerLimit: ownerLimit.toString() }),
    ...(ownerLimits !== undefined && { ownerLimits: ownerLimitsRepresentation(ownerLimits) }),
    ...(bands !== undefined && { bands: bandsRepresentation(bands, part) }),
    labels,
    createdAt: timeText(createdAt),
    revision,
    ...(cursor !== 0n && { nextfitFrom: cursor.toString() }),
  };
}

function spanLine(
  arena: string,
  source: string | undefined,
  { base, size, imported, revision, idleSince, ...others }: SavedSpan,
  space: AddressSpace,
): DumpLine {
  others satisfies Record<string, never>;
  const view = {
    base,
    size,
    kind: imported ? ('imported' as const) : ('static' as const),
    ...(imported && source !== undefined && { from: source }),
    revision,
  };
  return {
    type: 'span',
    arena,
    ...spanRepresentation(view, space),
    ...(idleSince !== undefined && { idleSince }),
  };
}

function slabLine(
  arena: string,
  { base, pieceSize, ...others }: SavedSlab,
  space: AddressSpace,
): DumpLine {
  others satisfies Record<string, never>;
  return {
    type: 'slab',
    arena,
    base: formatAddress(base, space),
    pieceSize: pieceSize.toString(),
  };
}

/** Allocations, and what rests, in order of address. */
function* allocationLines(engine: Engine, arena: string, space: AddressSpace): Generator<DumpLine> {
  let from = 0n;
  for (;;) {
    const page: DumpLine[] = [];
    engine.walkKnown(arena, from, (view) => {
      page.push(
        'since' in view
          ? restingLine(view, space)
          : { type: 'allocation', ...allocationRepresentation(view, space) },
      );
      from = view.address + 1n;
      return page.length < allocationsPerPage;
    });
    yield* page;
    if (page.length < allocationsPerPage) return;
  }
}

function restingLine(view: RestView, space: AddressSpace): DumpLine {
  const { arena, address, size, since: restingSince, former } = view;
  if (former !== undefined) {
    return { type: 'resting', ...allocationRepresentation(former, space), restingSince };
  }
  const range = rangeRepresentation({ base: address, size }, space);
  return { type: 'resting', arena, ...range, restingSince };
}

/** Where the free segments begin, in order. */
function gapsOf(engine: Engine, arena: string): bigint[] {
  const gaps: bigint[] = [];
  engine.walkSegments(arena, 0n, ({ address, state }) => {
    if (state === 'free') gaps.push(address);
    return true;
  });
  return gaps;
}

function* gapsLines(
  arena: string,
  ordinals: Column,
  gaps: readonly bigint[],
  space: AddressSpace,
): Generator<DumpLine> {
  const places = Array.from(ordinals);
  for (let first = 0; first < places.length; first += gapsPerLine) {
    const addresses = places.slice(first, first + gapsPerLine).map((ordinal) => {
      const address = gaps[ordinal];
      assert(address !== undefined, 'every gap is a free segment');
      return formatAddress(address, space);
    });
    yield { type: 'gaps', arena, addresses };
  }
}
