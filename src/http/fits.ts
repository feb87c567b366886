/** The route of fits: what there is still room for. */
import type { FastifyZodOpenApiSchema } from 'fastify-zod-openapi';
import { z } from 'zod';
import type { FitsView } from '../engine/view.ts';
import { limits } from '../limits.ts';
import { answer, problems, type App } from './contract.ts';
import { readBelow } from './invalid-input.ts';
import { placementPointers, readPlacement } from './placement.ts';
import {
  arenaNotFound,
  remedies,
  sendRefusal,
  type FieldPointers,
  type SecondsLeft,
} from './problem.ts';
import { arenaParams, type RouteDependencies } from './route.ts';
import { xallocRequest } from './wire/allocation.ts';
import { fits, type FitsReport } from './wire/fits.ts';

const { size, prefixLength, align, phase, nocross, min, max, band, owner } = xallocRequest.shape;
const placementQuery = { size, prefixLength, align, phase, nocross, min, max };
const fitsQuery = z.strictObject({ ...placementQuery, band, owner });

/** Shares are given in millionths: more digits say nothing to a person. */
const millionths = 1_000_000n;

export function fitsRoute(app: App, { sequencer, spaces, secondsLeft }: RouteDependencies): void {
  const schema = {
    operationId: 'fits',
    tags: ['Segments'],
    summary: 'Tell what still fits',
    description:
      'How many more blocks like the one asked for there is room for, side by side, under the same ' +
      'constraint as of xalloc, and how what is free is cut up. Nothing is allocated. It looks at no ' +
      `more than ${limits.fitsScanMax} free segments.`,
    params: arenaParams,
    querystring: fitsQuery,
    response: {
      200: answer('What there is room for.', fits),
      ...problems(400, 401, 404, 500, 503),
    },
  } satisfies FastifyZodOpenApiSchema;
  app.get('/v1/arenas/:arena/fits', { schema }, async (request, reply) => {
    const { arena } = request.params;
    const { query } = request;
    const space = await spaces.of(arena);
    if (space === undefined) return sendRefusal(reply, arenaNotFound(arena));
    const placement = readBelow('/query', () => readPlacement(query, space));
    const inBand = query.band === undefined ? {} : { band: query.band };
    const forOwner = query.owner === undefined ? {} : { owner: query.owner };
    const wanted = { ...placement, ...inBand, ...forOwner, most: limits.fitsScanMax };
    const found = await sequencer.read((engine) => {
      if (engine.addressing(arena) === undefined) return undefined;
      return { view: engine.fits(arena, wanted), revision: engine.revision };
    });
    if (found === undefined) return sendRefusal(reply, arenaNotFound(arena));
    const { view, revision } = found;
    if ('refused' in view) return sendRefusal(reply, view, queryPointers(query));
    return reply.code(200).send(fitsRepresentation(arena, view, revision, secondsLeft));
  });
}

/** The engine names fields as a body has them; here they are in the query. */
function queryPointers(query: z.output<typeof fitsQuery>): FieldPointers {
  const pointers = Object.keys(fitsQuery.shape).map((name) => [`/${name}`, `/${name}`]);
  const named = { ...Object.fromEntries(pointers), ...placementPointers(query) };
  return Object.fromEntries(Object.entries(named).map(([from, to]) => [from, `/query${to}`]));
}

function fitsRepresentation(
  arena: string,
  view: FitsView,
  revision: number,
  secondsLeft: SecondsLeft | undefined,
): FitsReport {
  const { free, largestFree, whyNone } = view;
  const cut = free === 0n ? 0n : ((free - largestFree) * millionths) / free;
  return {
    arena,
    size: view.size.toString(),
    count: view.count.toString(),
    atLeast: view.more,
    ...(view.importable !== undefined && { importable: view.importable.toString() }),
    free: free.toString(),
    largestFree: largestFree.toString(),
    largestFitting: view.largestFitting.toString(),
    fragmentation: Number(cut) / Number(millionths),
    holes: view.holes,
    resting: view.resting.toString(),
    ...(whyNone !== undefined && remedies(whyNone, secondsLeft)),
    histogram: view.histogram.map(({ order, holes }) => ({ order, holes })),
    revision,
  };
}
