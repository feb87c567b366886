/** Calls and answers of a history as requests and replies of the HTTP API. */
import type { Allocation } from '../../src/http/wire/allocation.ts';
import type { Answer as Reply, Method } from '../crash/client.ts';
import type { Answer, Call, Held } from './history.ts';

/** The label that carries the name of an allocation. */
const idLabel = 'id';

/** The request for a call: method, path and body. */
export function requestOf(arena: string, call: Call): [Method, string, unknown?] {
  const path = `/v1/arenas/${arena}`;
  switch (call.type) {
    case 'alloc': {
      const { id, size, address, min, max } = call;
      const request = { size: `${size}`, labels: { [idLabel]: id } };
      const constraint = {
        ...(address !== undefined && { address: `${address}` }),
        ...(min !== undefined && { min: `${min}` }),
        ...(max !== undefined && { max: `${max}` }),
      };
      const constrained = Object.keys(constraint).length > 0;
      return ['POST', `${path}/${constrained ? 'xalloc' : 'alloc'}`, { ...request, ...constraint }];
    }
    case 'free':
      return ['DELETE', `${path}/allocations/${call.address}`];
    case 'resize':
      return ['POST', `${path}/allocations/${call.address}/resize`, { size: `${call.size}` }];
    case 'freeAll':
      return ['DELETE', `${path}/allocations`];
    case 'get':
      return ['GET', `${path}/allocations/${call.address}`];
    case 'list':
      return ['GET', `${path}/allocations?limit=1000`];
    case 'usage':
      return ['GET', path];
    case 'check':
      return ['GET', `${path}/check`];
  }
}

/** What a reply says. Throws where it is none that the call can have. */
export function answerOf(call: Call, reply: Reply): Answer {
  const { status, text } = reply;
  const body = text === '' ? {} : JSON.parse(text);
  if (status === 404 && body.code === 'allocation-not-found') return { type: 'absent' };
  // What an arena that imports holds here is none of the clients' allocations.
  if (status === 409 && body.code === 'allocation-busy') return { type: 'absent' };
  if (status === 409 && body.code === 'exhausted' && body.exhaustion !== undefined) {
    const { free, largestFree } = body.exhaustion;
    return { type: 'refused', free: BigInt(free), largestFree: BigInt(largestFree) };
  }
  if (refusals.has(`${status} ${body.code}`)) return { type: 'refused' };
  if (status >= 300) throw new Error(`${call.type} is answered ${status}: ${text}`);
  switch (call.type) {
    case 'alloc':
    case 'resize':
      return { type: 'held', held: heldOf(body) };
    case 'get':
      return body.importedBy === undefined
        ? { type: 'held', held: heldOf(body) }
        : { type: 'absent' };
    case 'free':
      return { type: 'freed', count: 1 };
    case 'freeAll':
      return { type: 'freed', count: body.freed, revision: body.revision };
    case 'list': {
      if (body.nextCursor !== undefined) throw new Error('an arena has more than one page');
      const items: Allocation[] = body.items;
      const own = items.filter(({ importedBy }) => importedBy === undefined);
      return { type: 'listed', held: own.map(heldOf) };
    }
    case 'usage': {
      const { allocated, allocations } = body;
      return { type: 'usage', allocated: BigInt(allocated), allocations };
    }
    case 'check':
      if (body.ok !== true) throw new Error(`check: ${text}`);
      return { type: 'checked', revision: body.revision };
  }
}

const refusals = new Set(['409 exhausted', '409 taken', '422 never-fits', '400 invalid-request']);

function heldOf({ address, size, labels, revision }: Allocation): Held {
  return { address: BigInt(address), size: BigInt(size), id: labels[idLabel] ?? '', revision };
}
