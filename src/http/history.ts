/** The route of history: who held an address, or the addresses of a range, from when until when. */
import type { FastifyZodOpenApiSchema } from 'fastify-zod-openapi';
import { z } from 'zod';
import type { History, HistoryQuery, Period, Position } from '../history/history.ts';
import { answer, problems, type App } from './contract.ts';
import { cursorAt, keyOf } from './cursor.ts';
import { invalidInput } from './invalid-input.ts';
import { formatAddress, formatCidr, parseAddress, type AddressSpace } from './notation.ts';
import { arenaNotFound, problemOf, sendProblem, sendRefusal } from './problem.ts';
import { arenaParams, pageQuery, type RouteDependencies } from './route.ts';
import { addressInput, revision } from './wire/field.ts';
import { periodPage, type WirePeriod } from './wire/history.ts';

export interface HistoryDependencies extends Pick<RouteDependencies, 'sequencer' | 'spaces'> {
  readonly history: History;
}

const timeText = 'must be a time of RFC 3339, such as 2026-01-31T12:00:00Z';

const historyQuery = z.strictObject({
  ...pageQuery,
  address: addressInput('Only periods in which this address was held.').exactOptional(),
  from: addressInput('Only periods in which this address was held, or one above.').exactOptional(),
  to: addressInput('Only periods in which this address was held, or one below.').exactOptional(),
  at: z.iso
    .datetime({ offset: true, error: timeText })
    .max(40, timeText)
    .exactOptional()
    .meta({
      description:
        'Only what was held at this time: after the last change that was made then or earlier. ' +
        'RFC 3339; a `+` has to be sent as `%2B`.',
    }),
  atRevision: revision
    .exactOptional()
    .meta({ description: 'Only what was held after the change of this revision.' }),
  after: revision
    .exactOptional()
    .meta({ description: 'Only what was held at any time after this revision.' }),
});

type Query = z.output<typeof historyQuery>;

export function historyRoutes(app: App, dependencies: HistoryDependencies): void {
  const { sequencer, spaces, history } = dependencies;
  const schema = {
    operationId: 'getHistory',
    tags: ['Allocations'],
    summary: 'Tell who held an address or a range, and when',
    description:
      'Of an address: all periods in which it was held, the newest first. Of a range, or of the ' +
      'whole arena: those of all its addresses, by place, and of one place the newest first; with ' +
      '`at` or `atRevision`, by address. All arenas that ever had the name are meant, the newest ' +
      'first. A page looks at a bounded number of periods; it may be short, even empty, and ' +
      'still have a next one. Everything that was answered before is regarded.',
    params: arenaParams,
    querystring: historyQuery,
    response: {
      200: answer('A page of periods.', periodPage),
      ...problems(400, 401, 404, 410, 500, 503),
    },
  } satisfies FastifyZodOpenApiSchema;
  app.get('/v1/arenas/:arena/history', { schema }, async (request, reply) => {
    const { arena } = request.params;
    const now = await sequencer.read((engine) => engine.revision);
    const space = (await spaces.of(arena)) ?? (await history.space(arena, now));
    if (space === undefined) return sendRefusal(reply, arenaNotFound(arena));
    const identity = identityOf(arena, request.query);
    const query = readQuery(request.query, arena, space, now);
    const position = positionOf(request.query.cursor, identity);
    const found = await history.ask({ ...query, ...(position && { position }) });
    if ('tooEarly' in found) {
      const earliest = Math.max(found.completeRevision, found.trimmedRevision);
      const detail = `It is known who held what from revision ${earliest} on, and no earlier.`;
      return sendProblem(reply, problemOf('revision-trimmed', detail));
    }
    const { periods, next, ...extent } = found;
    return reply.code(200).send({
      items: periods.map((period) => periodRepresentation(arena, period)),
      ...extent,
      ...(next !== undefined && { nextCursor: cursorAt(keyAt(next), identity) }),
    });
  });
}

function readQuery(query: Query, arena: string, space: AddressSpace, now: number): HistoryQuery {
  const { at, atRevision, after, limit } = query;
  if (at !== undefined && atRevision !== undefined) {
    throw invalidInput('/query/atRevision', 'must not be given together with at');
  }
  for (const [name, given] of Object.entries({ atRevision, after })) {
    if (given !== undefined && given > now) {
      throw invalidInput(`/query/${name}`, `is ahead of the last revision, which is ${now}`);
    }
  }
  return {
    arena,
    ...readRange(query, space),
    ...(at !== undefined && { at: Date.parse(at) }),
    ...(atRevision !== undefined && { atRevision }),
    ...(after !== undefined && { after }),
    limit,
    revision: now,
  };
}

function readRange({ address, from, to }: Query, space: AddressSpace) {
  if (address !== undefined) {
    for (const [name, given] of Object.entries({ from, to })) {
      if (given === undefined) continue;
      throw invalidInput(`/query/${name}`, 'must not be given together with address');
    }
    const only = parseAddress(address, space, '/query/address');
    return { first: only, last: only };
  }
  const first = from === undefined ? 0n : parseAddress(from, space, '/query/from');
  const last = to === undefined ? (1n << 128n) - 1n : parseAddress(to, space, '/query/to');
  if (first > last) throw invalidInput('/query/to', 'must not be below from');
  return { first, last };
}

function identityOf(arena: string, query: Query): (string | undefined)[] {
  const { address, from, to, at, atRevision, after } = query;
  return ['getHistory', arena, address, from, to, at, atRevision, after].map((part) =>
    part === undefined ? undefined : String(part),
  );
}

function keyAt({ created, fork, before, atRevision }: Position): string {
  return [created, fork, before, atRevision ?? ''].join(' ');
}

function positionOf(cursor: string | undefined, identity: (string | undefined)[]) {
  if (cursor === undefined) return undefined;
  const key = /^(\d{1,16}) (\d{1,39}) (\d{1,16}) (\d{0,16})$/.exec(keyOf(cursor, identity));
  if (key === null) throw invalidInput('/query/cursor', 'is not a cursor');
  const [, created, fork, before, at] = key;
  return {
    created: Number(created),
    fork: BigInt(fork!),
    before: Number(before),
    ...(at !== '' && { atRevision: Number(at) }),
  } satisfies Position;
}

function periodRepresentation(arena: string, period: Period): WirePeriod {
  const { space, base, size, facts, grantedAt, heldFrom, revision: began, end } = period;
  const cidr = formatCidr(base, size, space);
  return {
    arena,
    address: formatAddress(base, space),
    end: formatAddress(base + size - 1n, space),
    size: size.toString(),
    ...(cidr !== undefined && { cidr }),
    labels: {},
    ...facts,
    ...(grantedAt !== undefined && { grantedAt: new Date(grantedAt).toISOString() }),
    ...(heldFrom !== undefined && { heldFrom: new Date(heldFrom).toISOString() }),
    ...(began !== undefined && { revision: began }),
    ...(end !== undefined && {
      heldUntil: new Date(end.at).toISOString(),
      endRevision: end.revision,
      ended: end.ending,
    }),
  };
}
