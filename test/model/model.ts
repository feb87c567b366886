/**
 * The naive model: the semantics of the engine over sorted arrays and linear scans, with nothing
 * in it but what can be checked by reading. It is shown each command together with what the engine
 * made of it, and either adopts the outcome or says in one sentence what is wrong with it.
 *
 * Where the contract leaves no choice the model computes the answer and compares; where it leaves
 * one (instantfit, randomfit, which span is imported) it checks that the choice was a legal one,
 * and that a refusal was given only where brute force finds nothing either.
 */
import type { Alloc, At, Constraint, CreateArena, Range } from '../../src/engine/command.ts';
import type { SingleCommand } from '../../src/engine/decide.ts';
import { changes, type Event } from '../../src/engine/event.ts';
import type { Refusal } from '../../src/engine/refusal.ts';
import type { Idling, Resting } from '../../src/engine/view.ts';
import { adoptAllocated, cachedSize } from './grant.ts';
import { ModelArena, contains, overlap, type Held } from './arena.ts';
import { adoptKept, namedIn, verdictOnNamed } from './external-id.ts';
import {
  adoptLease,
  isLeaseCommand,
  isLeaseEvent,
  settleLeases,
  verdictOnJoin,
  verdictOnLease,
  type ModelLease,
} from './lease.ts';
import { admits, isClosed, named, verdictOnBands, wishIn } from './band.ts';
import { overdraws, overdrawsAsking, verdictOnOwnerLimits } from './owner.ts';
import { ceil, meets, wishOf, type Wish } from './placement.ts';
import { canImport, canImportEarly, couldEverFit, limitsImport, sourcesOf } from './reach.ts';
import { adoptReleased, dueSpans, idleSince, noteIdle } from './release.ts';
import { fitsEarly, inOrder, rested } from './rest.ts';
import { pieceSizeOf } from './slab.ts';
import { adoptMerged, adoptSplit, verdictOnMerge, verdictOnSplit } from './split.ts';
import { can, either, must, type Verdict } from './verdict.ts';

/** Batches are judged one operation after another, see batch.ts. */
type Single = SingleCommand;
type SingleEvent = Exclude<Event, { type: 'batched' }>;
type Of<T extends Single['type']> = Extract<Single, { type: T }>;

/** Revisions count from 1. */
export const neverARevision = -1;

export class Model {
  readonly arenas = new Map<string, ModelArena>();
  readonly leases = new Map<string, ModelLease>();
  /** How many events were adopted. */
  revision = 0;
  /** The revision of the event that is being judged. */
  judged = 0;
  readonly lookup = (name: string): ModelArena => {
    const arena = this.arenas.get(name);
    if (arena === undefined) throw new Error(`model: no arena ${name}`);
    return arena;
  };

  /**
   * Adopts the outcome of the command, or says what is wrong with it and adopts nothing. `revision` is
   * that of the event: the next one, or the same for all operations of a batch.
   */
  judge(
    command: Single,
    outcome: SingleEvent | Refusal,
    revision = this.revision + 1,
  ): string | undefined {
    this.judged = revision;
    const verdict = this.#verdict(command);
    if ('refused' in outcome) return this.#judgeRefusal(command, outcome, verdict);
    if (!verdict.mayGrant) {
      return `granted (${outcome.type}), though it must be refused: ${verdict.codes.join(' or ')}`;
    }
    const complaint = this.#adopt(command, outcome);
    if (!changes(outcome)) return complaint;
    this.revision = revision;
    settleLeases(this, revision);
    for (const arena of this.arenas.values()) noteIdle(arena, revision);
    return complaint;
  }

  /** Arenas with more idle spans than they keep for ever, and since when the first is idle. */
  idling(): Idling[] {
    const idling: Idling[] = [];
    for (const arena of this.arenas.values()) {
      const { releaseAfterSeconds, keepSpans } = arena.settings;
      const idle = arena.idleSpans();
      if (releaseAfterSeconds === 0 || idle.length <= keepSpans) continue;
      const since = Math.min(...idle.map((span) => idleSince(arena, span)));
      idling.push({ arena: arena.name, releaseAfterSeconds, since });
    }
    return idling;
  }

  /** Arenas in which something rests, and since when what rests longest does. */
  resting(): Resting[] {
    return [...this.arenas.values()].flatMap(({ name, resting, settings }) => {
      const [first] = inOrder(resting);
      if (first === undefined) return [];
      return [{ arena: name, quarantineSeconds: settings.quarantineSeconds, since: first.since }];
    });
  }

  #judgeRefusal(command: Single, refusal: Refusal, verdict: Verdict): string | undefined {
    const { refused, pointer, exhaustion } = refusal;
    if (!verdict.codes.includes(refused)) {
      const right = [...(verdict.mayGrant ? ['granted'] : []), ...verdict.codes].join(' or ');
      return `refused as ${refused} (${refusal.detail}), must be ${right}`;
    }
    if (refusal.detail.length === 0) return 'refused without a detail';
    if (refused === 'invalid-request' && pointer === undefined) return 'invalid without a pointer';
    if (refused === 'invalid-request' && verdict.pointer && pointer !== verdict.pointer) {
      return `blames ${pointer}, the fault is in ${verdict.pointer}`;
    }
    if (refused !== 'exhausted' || command.type === 'resize') return undefined;
    if (exhaustion === undefined) return 'exhausted without an exhaustion';
    return this.#judgeExhaustion(command as Of<'alloc'>, exhaustion);
  }

  /** The figures that come with `exhausted`: exact, and the largest size that does fit, fits. */
  #judgeExhaustion(command: Alloc, given: NonNullable<Refusal['exhaustion']>): string | undefined {
    const arena = this.lookup(command.arena);
    const free = arena.freeSize();
    if (given.resting !== arena.restingSize()) {
      return `exhaustion.resting is ${given.resting}, must be ${arena.restingSize()}`;
    }
    const chain = [arena, ...sourcesOf(arena, this.lookup)];
    const since = chain.flatMap(({ resting }) => inOrder(resting)[0]?.since ?? []).join();
    const told = given.nextRests.map((rest) => rest.since).join();
    if (told !== since) return `exhaustion.nextRests are since ${told}, must be ${since}`;
    if (given.free !== free) return `exhaustion.free is ${given.free}, must be ${free}`;
    if (given.largestFree !== arena.largestFree()) {
      return `exhaustion.largestFree is ${given.largestFree}, must be ${arena.largestFree()}`;
    }
    const { quantum, quantumCacheMax } = arena.settings;
    const fits = (size: bigint) => size === 0n || this.#fitsNow(arena, { ...command, size });
    const largest = given.largestFitting;
    if (largest % quantum !== 0n) return `exhaustion.largestFitting ${largest} is not whole quanta`;
    const wish = wishIn(arena, command);
    if (typeof wish === 'string' || limitsImport(arena, wish, this.lookup)) return undefined;
    if (!fits(largest)) return `exhaustion.largestFitting ${largest} does not fit`;
    const more = [largest + quantum];
    for (let size = quantum; size <= quantumCacheMax; size += quantum) more.push(size);
    if (more.some((size) => size > largest && fits(size))) {
      return `exhaustion.largestFitting ${largest} is not the largest`;
    }
    return this.#judgeLimits(arena, command, given.limitedBy);
  }

  /** What is in the way: a constraint without which alone the block fits, and no other. */
  #judgeLimits(arena: ModelArena, command: Alloc, given: readonly string[]): string | undefined {
    for (const name of ['align', 'phase', 'nocross', 'min', 'max'] as const) {
      const { [name]: value, ...others } = command.constraint;
      const constraint: Constraint = name === 'align' ? { ...others, phase: 0n } : others;
      const other = { ...command, type: 'xalloc' as const, constraint };
      const wish = wishIn(arena, other);
      if (typeof wish === 'string' || limitsImport(arena, wish, this.lookup)) return undefined;
      const inTheWay = value !== undefined && this.#fitsNow(arena, other);
      if (given.includes(name) === inTheWay) continue;
      return `exhaustion.limitedBy is ${given.join()}, must ${inTheWay ? '' : 'not '}have ${name}`;
    }
    const { band, ...plain } = command;
    const wish = wishIn(arena, command) as Wish;
    const { windows, ...anywhere } = band === undefined ? wish : (wishIn(arena, plain) as Wish);
    const without =
      band === undefined || windows === undefined ? anywhere : { ...anywhere, windows };
    const inTheWay =
      wish.windows !== undefined && this.#hasRoom(arena, { ...command, type: 'xalloc' }, without);
    if (given.includes('band') !== inTheWay) {
      return `exhaustion.limitedBy is ${given.join()}, must ${inTheWay ? '' : 'not '}have band`;
    }
    const early =
      command.reuse !== true && this.#reusesNow(arena, { ...command, reuse: true }, wish);
    if (given.includes('resting') === early) return undefined;
    return `exhaustion.limitedBy is ${given.join()}, must ${early ? '' : 'not '}have resting`;
  }

  #fitsNow(arena: ModelArena, command: Alloc): boolean {
    const wish = wishIn(arena, command);
    if (typeof wish === 'string' || overdrawsAsking(arena, command)) return false;
    return this.#cachedNow(arena, command, wish) || this.#hasRoom(arena, command, wish);
  }

  #hasRoom(arena: ModelArena, command: Alloc, wish: Wish): boolean {
    const { limit } = arena.settings;
    if (limit !== undefined && arena.allocated() + wish.size > limit) return false;
    if (arena.choices(wish, 'firstfit').length > 0) return true;
    return canImport(arena, wish, this.lookup) || this.#reusesNow(arena, command, wish);
  }

  /** Whether the request may take what rests, and would. */
  #reusesNow(arena: ModelArena, { type, reuse }: Alloc, wish: Wish): boolean {
    if (reuse !== true) return false;
    if (fitsEarly(arena, wish) || canImportEarly(arena, wish, this.lookup)) return true;
    const pieceSize = type === 'alloc' ? cachedSize(arena, wish.size) : undefined;
    if (pieceSize === undefined) return false;
    return arena.resting.some(
      ({ base }) =>
        arena.slabHolding(base)?.pieceSize === pieceSize && admits(wish, { base, size: pieceSize }),
    );
  }

  /** Whether a slab that is open has a piece for the request. */
  #cachedNow(arena: ModelArena, { type }: Alloc, wish: Wish): boolean {
    if (type !== 'alloc' || arena.cachedPiece(wish) === undefined) return false;
    const { limit } = arena.settings;
    const size = pieceSizeOf(wish.size, arena.settings);
    return limit === undefined || arena.allocated() + size <= limit;
  }

  /** A revision that nothing ever had is the one wrong precondition that sessions draw. */
  #verdict(command: Single): Verdict {
    const verdict = this.#verdictOnState(command);
    const stale = 'ifRevision' in command && command.ifRevision === neverARevision;
    const missing = verdict.codes.some((code) => code.endsWith('-not-found'));
    return stale && !missing ? must('precondition-failed') : verdict;
  }

  #verdictOnState(command: Single): Verdict {
    if (command.type === 'createArena') return this.#verdictOnCreate(command);
    if (isLeaseCommand(command)) return verdictOnLease(this, command);
    const arena = this.arenas.get(command.arena);
    if (arena === undefined) return must('arena-not-found');
    switch (command.type) {
      case 'updateArena':
        return verdictOnUpdate(arena, command);
      case 'releaseSpans':
      case 'freeAll':
        return can;
      case 'destroyArena':
        return this.#verdictOnDestroy(arena, command.force);
      case 'addSpan':
        return this.#verdictOnSpan(arena, command);
      case 'removeSpan':
        return verdictOnRemoval(arena, command.base);
      case 'alloc':
      case 'xalloc':
        return this.#verdictOnAlloc(arena, command);
      case 'updateAllocation':
        return verdictOnLabel(arena, command);
      case 'free':
        return verdictOnFree(arena, command);
      case 'resize':
        return verdictOnResize(arena, command);
      case 'split':
        return verdictOnSplit(arena, command);
      case 'merge':
        return verdictOnMerge(arena, command);
      case 'undelete':
        return verdictOnUndelete(arena, command);
      case 'endRests':
        return can;
    }
  }

  #verdictOnCreate(command: CreateArena): Verdict {
    if (command.source !== undefined && !this.arenas.has(command.source)) {
      return must('arena-not-found');
    }
    const draft = new ModelArena(command);
    const bad = command.spans.some((span) => verdictOnSpan(draft, span).codes.length > 0);
    if (bad) return must('invalid-request');
    if (this.arenas.has(command.arena)) return must('arena-exists');
    const clash = command.spans.some((a, i) =>
      command.spans.slice(0, i).some((b) => overlap(a, b)),
    );
    const source = command.source === undefined ? undefined : this.lookup(command.source);
    const claims = source && command.spans.some((span) => this.#claimedAbove(source, span));
    return clash || claims ? must('overlap') : can;
  }

  /** A static span lies neither over what the arena could import nor over what its children own. */
  #verdictOnSpan(arena: ModelArena, span: Range): Verdict {
    const verdict = verdictOnSpan(arena, span);
    if (verdict !== can) return verdict;
    const { source } = arena.settings;
    const above = source !== undefined && this.#claimedAbove(this.lookup(source), span);
    return above || this.#claimedBelow(arena, span) ? must('overlap') : can;
  }

  #claimedAbove(arena: ModelArena, range: Range): boolean {
    const all = [arena, ...sourcesOf(arena, this.lookup)];
    return all.some(({ spans }) => spans.some((span) => overlap(span, range)));
  }

  #claimedBelow(arena: ModelArena, range: Range): boolean {
    return [...this.arenas.values()]
      .filter((child) => [...sourcesOf(child, this.lookup)].includes(arena))
      .some(({ spans }) => spans.some((span) => overlap(span, range)));
  }

  #verdictOnDestroy(arena: ModelArena, force: boolean): Verdict {
    const isSource = [...this.arenas.values()].some((a) => a.settings.source === arena.name);
    return isSource || (!force && arena.held.length > 0) ? must('arena-busy') : can;
  }

  #verdictOnAlloc(arena: ModelArena, command: Of<'alloc' | 'xalloc'>): Verdict {
    const { limit } = arena.settings;
    const { band } = command;
    const join = verdictOnJoin(this, command);
    if (join.codes.includes('lease-not-found')) return join;
    if (band !== undefined && named(arena, band) === undefined) return must('band-not-found');
    const wish = wishIn(arena, command);
    if (typeof wish === 'string') return { ...must('invalid-request'), pointer: wish };
    const there = namedIn(arena, command);
    if (there !== undefined) return verdictOnNamed(this, arena, there, command, wish);
    if (join !== can) return join;
    if (band === undefined && wish.address !== undefined) {
      const range = { base: wish.address, size: wish.size };
      if (isClosed(arena, range)) return must('band-required');
    }
    const overdrawn = overdrawsAsking(arena, command);
    if (!overdrawn && this.#cachedNow(arena, command, wish)) return can;
    const exceeds = overdrawn || (limit !== undefined && arena.allocated() + wish.size > limit);
    if (!exceeds && arena.choices(wish, 'firstfit').length > 0) return can;
    // A span that was imported before its source had a band there serves, though none could be now.
    const ever = couldEverFit(arena, wish, this.lookup);
    if (exceeds) return must(ever ? 'limit-exceeded' : 'never-fits');
    if (canImport(arena, wish, this.lookup)) {
      const tight = limitsImport(arena, wish, this.lookup);
      if (!tight) return can;
      const codes = ['limit-exceeded', 'exhausted', 'taken', 'resting'] as const;
      return either(...codes, ...(ever ? [] : ['never-fits' as const]));
    }
    const early = this.#reusesNow(arena, { ...command, reuse: true }, wish);
    const tight = limitsImport(arena, wish, this.lookup);
    if (command.reuse === true && early) {
      if (!tight || fitsEarly(arena, wish)) return can;
      return either('exhausted', 'taken', ...(ever ? [] : ['never-fits' as const]));
    }
    if (!ever) return must('never-fits');
    if (wish.address === undefined) return must('exhausted');
    if (early) return tight ? must('taken', 'resting') : must('resting');
    return must('taken');
  }

  #adopt(command: Single, event: SingleEvent): string | undefined {
    if (event.at !== command.at) return `the event is at ${event.at}, the command at ${command.at}`;
    if (isLeaseEvent(event)) {
      return isLeaseCommand(command) ? adoptLease(this, command, event) : `led to ${event.type}`;
    }
    if (isLeaseCommand(command)) return `led to ${event.type}`;
    if (event.arena !== command.arena) return `the event names ${event.arena}`;
    switch (event.type) {
      case 'arenaCreated':
        return this.#adoptCreated(command as CreateArena);
      case 'arenaUpdated':
        return this.#adoptUpdated(command as Of<'updateArena'>, event);
      case 'arenaDestroyed':
        return this.#adoptDestroyed(event);
      case 'spanAdded':
        return this.#adoptSpan(command as Of<'addSpan'>, event);
      case 'spanRemoved':
        return this.#adoptRemoval(event);
      case 'allocated':
        return this.#adoptAllocated(command as At<Alloc>, event);
      case 'allocationKept':
        return adoptKept(this.lookup(event.arena), command as Of<'alloc'>, event);
      case 'freed':
        return this.#adoptFreed(event);
      case 'allFreed':
        return this.#adoptAllFreed(event);
      case 'resized':
        return this.#adoptResized(command as Of<'resize'>, event);
      case 'allocationSplit':
        return adoptSplit(this.lookup(event.arena), command as Of<'split'>, event);
      case 'allocationsMerged':
        return adoptMerged(this.lookup(event.arena), command as Of<'merge'>, event);
      case 'allocationUpdated':
        return this.#adoptLabel(command as Of<'updateAllocation'>);
      case 'undeleted':
        return this.#adoptUndeleted(event);
      case 'restsEnded':
        return this.#adoptEnded(command as Of<'endRests'>, event);
      case 'spansReleased':
        return this.#adoptDue(event, (command as Of<'releaseSpans'>).freeSince);
    }
  }

  #adoptAllocated(command: At<Alloc>, event: Extract<Event, { type: 'allocated' }>) {
    if (event.reused !== undefined) {
      if (command.reuse !== true) return 'takes what rests, unasked';
      const arena = this.lookup(command.arena);
      const plain = this.#verdictOnAlloc(arena, { ...command, reuse: false });
      if (plain === can) return 'takes what rests, though something free would do';
    }
    const complaint = adoptAllocated(this.lookup, command, event);
    const { lease: id, ttlSeconds, labels, owner, at: createdAt } = command;
    if (complaint !== undefined || id === undefined || ttlSeconds === undefined) return complaint;
    const about = { labels, ...(owner === undefined ? {} : { owner }) };
    const terms = { id, ttlSeconds, createdAt, endsWhenEmpty: true, ...about };
    this.leases.set(id, { ...terms, revision: this.judged, holds: 0 });
    return undefined;
  }

  #adoptUpdated({ changes }: Of<'updateArena'>, event: Extract<Event, { type: 'arenaUpdated' }>) {
    const { settings } = this.lookup(event.arena);
    Object.assign(settings, changes);
    // What is kept for a time is left to its time; else only keepSpans of them stay.
    return this.#adoptDue(event, settings.releaseAfterSeconds > 0 ? -Infinity : Infinity);
  }

  /** Exactly the spans that are due in the arena itself. */
  #adoptDue(
    event: Extract<Event, { type: 'arenaUpdated' | 'spansReleased' }>,
    freeSince: number,
  ): string | undefined {
    const arena = this.lookup(event.arena);
    const { keepSpans } = arena.settings;
    const due = dueSpans(arena, keepSpans, freeSince).map(({ base }) => base);
    const given = event.released.filter((span) => span.arena === arena.name);
    if (given.map(({ base }) => base).join() !== due.join()) {
      return `releases ${given.map(({ base }) => base).join()}, must be ${due.join()}`;
    }
    return adoptReleased(this.arenas, event.released, 'due', this.judged, arena);
  }

  #adoptCreated(command: CreateArena): undefined {
    const arena = new ModelArena(command);
    for (const { base, size } of command.spans) arena.addSpan({ base, size, kind: 'static' });
    this.arenas.set(arena.name, arena);
  }

  #adoptDestroyed(event: Extract<Event, { type: 'arenaDestroyed' }>): string | undefined {
    const arena = this.lookup(event.arena);
    const bases = arena.held.map(({ base }) => base);
    for (const base of bases) arena.drop(base);
    for (const { base } of inOrder(arena.resting)) arena.endRest(base);
    const complaint = adoptReleased(this.arenas, event.released, 'all', this.judged, arena);
    if (complaint === undefined) this.arenas.delete(arena.name);
    return complaint;
  }

  #adoptSpan(command: Of<'addSpan'>, { base, size, arena }: Range & { arena: string }) {
    if (base !== command.base || size !== command.size) return `added [${base}, +${size})`;
    this.lookup(arena).addSpan({ base, size, kind: 'static' });
    return undefined;
  }

  #adoptRemoval(event: Extract<Event, { type: 'spanRemoved' }>): string | undefined {
    const arena = this.lookup(event.arena);
    const span = arena.spanAt(event.base)!;
    if (event.size !== span.size) return `removed ${event.size}, the span has ${span.size}`;
    arena.endRestsIn(span);
    if (span.kind === 'imported') {
      return adoptReleased(this.arenas, event.released, 'one', this.judged, arena);
    }
    arena.dropSpan(event.base);
    return event.released.length > 0 ? 'released more than the span removed' : undefined;
  }

  #adoptFreed(event: Extract<Event, { type: 'freed' }>): string | undefined {
    const arena = this.lookup(event.arena);
    if ((event.rests === true) !== arena.quarantines) return `rests: ${event.rests}`;
    const rests = event.rests === true;
    const { size } = rests ? arena.rest(event.base, this.judged) : arena.drop(event.base);
    if (size !== event.size) return `freed ${event.size}, the allocation has ${size}`;
    return adoptReleased(this.arenas, event.released, 'excess', this.judged);
  }

  #adoptUndeleted({ arena: name, base, size }: Extract<Event, { type: 'undeleted' }>) {
    const arena = this.lookup(name);
    const rest = arena.restAt(base);
    if (rest?.size !== size) return `brings back ${size}, but ${rest?.size} rest`;
    arena.undelete(base);
    return undefined;
  }

  #adoptEnded(
    { restingSince, most }: Of<'endRests'>,
    event: Extract<Event, { type: 'restsEnded' }>,
  ) {
    const arena = this.lookup(event.arena);
    const due = inOrder(arena.resting).filter(({ since }) => since <= restingSince);
    const expected = due.slice(0, most).map(({ base, size }) => `${base} +${size}`);
    const given = event.ended.map(({ base, size }) => `${base} +${size}`);
    if (given.join() !== expected.join()) return `ends ${given.join()}, must be ${expected.join()}`;
    for (const { base } of event.ended) arena.endRest(base);
    return adoptReleased(this.arenas, event.released, 'excess', this.judged);
  }

  #adoptAllFreed(event: Extract<Event, { type: 'allFreed' }>): string | undefined {
    const arena = this.lookup(event.arena);
    const own = arena.held.filter(isOwn);
    if (event.count !== own.length) return `freed ${event.count} of ${own.length} allocations`;
    if ((event.rests === true) !== arena.quarantines) return `rests: ${event.rests}`;
    for (const { base } of own) {
      if (event.rests === true) arena.rest(base, this.judged);
      else arena.drop(base);
    }
    return adoptReleased(this.arenas, event.released, 'excess', this.judged);
  }

  #adoptLabel({ arena: name, address, labels, owner }: Of<'updateAllocation'>): undefined {
    const changes = {
      ...(labels === undefined ? {} : { labels }),
      ...(owner === undefined ? {} : { owner }),
    };
    this.lookup(name).describe(address, changes);
  }

  #adoptResized(command: Of<'resize'>, event: Extract<Event, { type: 'resized' }>) {
    const arena = this.lookup(event.arena);
    const held = arena.heldAt(event.base)!;
    const size = ceil(command.size, arena.settings.quantum);
    const rests = arena.quarantines && size < held.size;
    if ((event.rests === true) !== rests) return `rests: ${event.rests}`;
    if (rests) arena.restTail(event.base, size, this.judged);
    else arena.hold({ ...arena.drop(event.base), size });
    if (event.previousSize !== held.size) return `was ${held.size}, not ${event.previousSize}`;
    return event.size === size ? undefined : `resized to ${event.size}, must be ${size}`;
  }
}

function isOwn(held: Held): boolean {
  return held.importedBy === undefined;
}

function verdictOnSpan(arena: ModelArena, { base, size }: Range): Verdict {
  const { quantum, width } = arena.settings;
  if (base % quantum !== 0n) return { ...must('invalid-request'), pointer: '/base' };
  const top = 1n << BigInt(width);
  const badSize = size <= 0n || size % quantum !== 0n || base + size > top;
  if (badSize) return must('invalid-request');
  return arena.spans.some((span) => overlap(span, { base, size })) ? must('overlap') : can;
}

function verdictOnUpdate(arena: ModelArena, { changes }: Of<'updateArena'>): Verdict {
  const { importSize, ownerLimits, bands } = changes;
  const { quantum } = arena.settings;
  const bad = importSize !== undefined && (importSize <= 0n || importSize % quantum !== 0n);
  if (bad) return { ...must('invalid-request'), pointer: '/importSize' };
  const wrong = verdictOnOwnerLimits(ownerLimits);
  return wrong === can ? verdictOnBands(arena, bands) : wrong;
}

function verdictOnRemoval(arena: ModelArena, base: bigint): Verdict {
  const span = arena.spanAt(base);
  if (span === undefined) return must('span-not-found');
  // A slab over the border of two spans keeps both, wherever its pieces in use lie.
  const keeps =
    arena.isBusy(span) || arena.slabs.some((slab) => overlap(slab, span) && arena.isBusy(slab));
  return keeps ? must('allocation-busy') : can;
}

function verdictOnFree(arena: ModelArena, { address, size }: Of<'free'>): Verdict {
  const held = arena.heldAt(address);
  if (held === undefined) return must('allocation-not-found');
  if (!isOwn(held)) return must('allocation-busy');
  if (size === undefined) return can;
  if (size <= 0n) return must('invalid-request', 'size-mismatch');
  let charged = ceil(size, arena.settings.quantum);
  if (arena.slabHolding(address) !== undefined && charged <= arena.settings.quantumCacheMax) {
    charged = pieceSizeOf(charged, arena.settings);
  }
  return charged === held.size ? can : must('size-mismatch');
}

function verdictOnLabel(arena: ModelArena, { address, owner }: Of<'updateAllocation'>): Verdict {
  const held = arena.heldAt(address);
  if (held === undefined) return must('allocation-not-found');
  if (!isOwn(held)) return must('allocation-busy');
  const changes = owner !== held.owner;
  return changes && overdraws(arena, owner, held.size) ? must('limit-exceeded') : can;
}

function verdictOnResize(arena: ModelArena, { address, size }: Of<'resize'>): Verdict {
  const { quantum, width, limit } = arena.settings;
  const held = arena.heldAt(address);
  if (held === undefined) return must('allocation-not-found');
  const wish: Wish | string = wishOf(size, { address }, quantum, width);
  if (typeof wish === 'string') return must('invalid-request');
  if (!isOwn(held)) return must('allocation-busy');
  if (arena.slabHolding(address) !== undefined) {
    return { ...must('invalid-request'), pointer: '/size' };
  }
  if (wish.size <= held.size) return can;
  if (isClosed(arena, { base: address, size: wish.size }, held)) return must('band-required');
  const grown = { base: address, size: wish.size };
  if (!arena.runs().some((run) => contains(run, grown) && meets(address, wish))) {
    return must('never-fits', 'taken', 'exhausted', 'limit-exceeded');
  }
  const more = wish.size - held.size;
  const exceeds = limit !== undefined && arena.allocated() + more > limit;
  if (exceeds || overdraws(arena, held.owner, more)) return must('limit-exceeded');
  const extra = { base: address + held.size, size: more };
  if (arena.isFree(extra)) return can;
  return rested(arena).isFree(extra) ? must('resting') : must('taken');
}

function verdictOnUndelete(arena: ModelArena, { address, owner }: Of<'undelete'>): Verdict {
  const former = arena.restAt(address)?.former;
  if (former === undefined) return must('allocation-not-found');
  if (owner !== former.owner) return must('owner-mismatch');
  const { externalId } = former;
  const isTaken = arena.held.some((one) => one.externalId === externalId);
  if (externalId !== undefined && isTaken) return must('external-id-taken');
  const { limit } = arena.settings;
  const exceeds = limit !== undefined && arena.allocated() + former.size > limit;
  return exceeds || overdraws(arena, owner, former.size) ? must('limit-exceeded') : can;
}
