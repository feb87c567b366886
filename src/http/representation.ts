/**
 * Representations: how the engine's views look on the wire. Here bigints become text, half-open
 * ranges get their inclusive `end`, and milliseconds become RFC 3339: those since 1970, and deadlines
 * of the steady clock, which is read for how far off they are.
 */
import type { Band, OwnerLimit, Range } from '../engine/command.ts';
import type {
  AllocationView,
  ArenaView,
  LeaseView,
  SegmentView,
  SpanView,
  WhatisStep,
} from '../engine/view.ts';
import { formatAddress, formatCidr, type AddressSpace } from './notation.ts';
import type { Allocation } from './wire/allocation.ts';
import type { Arena, Band as WireBand, OwnerLimit as WireOwnerLimit } from './wire/arena.ts';
import type { Lease } from './wire/lease.ts';
import type { Segment, Whatis } from './wire/segment.ts';
import type { Span } from './wire/span.ts';

/** `waiting` is how many requests to the arena wait for room. */
export function arenaRepresentation(view: ArenaView, waiting: number): Arena {
  return {
    name: view.arena,
    notation: view.notation,
    width: view.width,
    quantum: view.quantum.toString(),
    policy: view.policy,
    ...(view.source !== undefined && { source: view.source }),
    ...(view.importSize !== undefined && { importSize: view.importSize.toString() }),
    largeImport: view.largeImport,
    keepSpans: view.keepSpans,
    releaseAfterSeconds: view.releaseAfterSeconds,
    quarantineSeconds: view.quarantineSeconds,
    quantumCacheMax: view.quantumCacheMax.toString(),
    ...(view.limit !== undefined && { limit: view.limit.toString() }),
    ...(view.ownerLimit !== undefined && { ownerLimit: view.ownerLimit.toString() }),
    ...(view.ownerLimits !== undefined && {
      ownerLimits: ownerLimitsRepresentation(view.ownerLimits),
    }),
    ...(view.bands !== undefined && { bands: bandsRepresentation(view.bands, view) }),
    labels: view.labels,
    size: view.size.toString(),
    allocated: view.allocated.toString(),
    free: view.free.toString(),
    resting: view.resting.toString(),
    cached: view.cached.toString(),
    largestFree: view.largestFree.toString(),
    allocations: view.allocations,
    spans: view.spans,
    holes: view.holes,
    waiting,
    createdAt: timeText(view.createdAt),
    revision: view.revision,
  };
}

/** What is written of every range: its ends, its size and, where it is one prefix, that. */
export function rangeRepresentation({ base, size }: Range, space: AddressSpace) {
  const address = formatAddress(base, space);
  const end = size === 1n ? address : formatAddress(base + size - 1n, space);
  const cidr = formatCidr(base, size, space);
  const range = { address, end, size: size.toString() };
  return cidr === undefined ? range : { ...range, cidr };
}

export function ownerLimitsRepresentation(ownerLimits: readonly OwnerLimit[]): WireOwnerLimit[] {
  return ownerLimits.map(({ owner, limit }) => ({ owner, limit: limit.toString() }));
}

export function bandsRepresentation(bands: readonly Band[], space: AddressSpace): WireBand[] {
  return bands.map(({ name, min, max, exclusive }) => ({
    name,
    min: formatAddress(min, space),
    max: formatAddress(max, space),
    exclusive,
  }));
}

/** Most of what is answered is this, so that it is put together field by field. */
export function allocationRepresentation(view: AllocationView, space: AddressSpace): Allocation {
  const { address, size, owner, importedBy, externalId, lease, deadline } = view;
  const first = formatAddress(address, space);
  const shown: Allocation = {
    arena: view.arena,
    address: first,
    end: size === 1n ? first : formatAddress(address + size - 1n, space),
    size: size.toString(),
    labels: view.labels,
    createdAt: timeText(view.createdAt),
    revision: view.revision,
  };
  const cidr = formatCidr(address, size, space);
  if (cidr !== undefined) shown.cidr = cidr;
  if (owner !== undefined) shown.owner = owner;
  if (importedBy !== undefined) shown.importedBy = importedBy;
  if (externalId !== undefined) shown.externalId = externalId;
  if (lease !== undefined) shown.lease = lease;
  if (deadline !== undefined) shown.expiresAt = timeAfter(deadline - performance.now());
  return shown;
}

export function leaseRepresentation(view: LeaseView): Lease {
  // Told of every lease before any view of it is made.
  const left = Math.max(0, (view.deadline ?? NaN) - performance.now());
  return {
    id: view.id,
    ttlSeconds: view.ttlSeconds,
    expiresAt: timeAfter(left),
    remainingSeconds: Math.floor(left / 1000),
    allocations: view.allocations,
    ...(view.owner !== undefined && { owner: view.owner }),
    labels: view.labels,
    createdAt: timeText(view.createdAt),
    revision: view.revision,
  };
}

/** When so many milliseconds will have passed. */
function timeAfter(ms: number): string {
  return new Date(Date.now() + ms).toISOString();
}

export function spanRepresentation(view: SpanView, space: AddressSpace): Span {
  const cidr = formatCidr(view.base, view.size, space);
  return {
    base: formatAddress(view.base, space),
    end: formatAddress(view.base + view.size - 1n, space),
    size: view.size.toString(),
    ...(cidr !== undefined && { cidr }),
    kind: view.kind,
    ...(view.from !== undefined && { from: view.from }),
    revision: view.revision,
  };
}

export function segmentRepresentation(view: SegmentView, space: AddressSpace): Segment {
  return {
    address: formatAddress(view.address, space),
    end: formatAddress(view.address + view.size - 1n, space),
    size: view.size.toString(),
    state: view.state,
  };
}

/** A step of whatis with the address space of its own arena. */
export interface LocatedStep {
  readonly step: WhatisStep;
  readonly space: AddressSpace;
}

/** `path` leads from the arena that was asked to the leaf, and has at least one step. */
export function whatisRepresentation(
  address: bigint,
  path: readonly [LocatedStep, ...LocatedStep[]],
  allocation: AllocationView | undefined,
): Whatis {
  const [asked] = path;
  const leaf = path.at(-1) ?? asked;
  return {
    arena: asked.step.arena,
    address: formatAddress(address, asked.space),
    state: leaf.step.state,
    segment: segmentRepresentation(leaf.step, leaf.space),
    offset: (address - leaf.step.address).toString(),
    ...(allocation !== undefined && {
      allocation: allocationRepresentation(allocation, leaf.space),
    }),
    path: path.map(({ step, space }) => ({
      arena: step.arena,
      ...segmentRepresentation(step, space),
    })),
  };
}

/** The relative reference of an allocation, for Location. */
export function allocationPath(view: AllocationView, space: AddressSpace): string {
  // A colon needs no escape inside a path, so IPv6 addresses stay legible.
  return `/v1/arenas/${view.arena}/allocations/${formatAddress(view.address, space)}`;
}

/** A revision as a strong entity tag. */
export function etagOf(revision: number): string {
  return `"${revision}"`;
}

const dayMs = 86_400_000;
let day = NaN;
let dayText = '';
const digits = (count: number): readonly string[] =>
  Array.from({ length: 10 ** count }, (_, number) => String(number).padStart(count, '0'));
const [twoDigits, threeDigits] = [digits(2), digits(3)];

/**
 * A time in RFC 3339, of milliseconds since 1970, put together of the day's text, which nearly always
 * is that of the time before: a Date writes one in ten times the time.
 */
export function timeText(ms: number): string {
  const days = Math.floor(ms / dayMs);
  if (days !== day) {
    dayText = new Date(days * dayMs).toISOString().slice(0, -'00:00:00.000Z'.length);
    day = days;
  }
  const ofDay = ms - days * dayMs;
  const hour = twoDigits[Math.trunc(ofDay / 3_600_000)]!;
  const minute = twoDigits[Math.trunc(ofDay / 60_000) % 60]!;
  const second = twoDigits[Math.trunc(ofDay / 1000) % 60]!;
  return `${dayText}${hour}:${minute}:${second}.${threeDigits[ofDay % 1000]!}Z`;
}
