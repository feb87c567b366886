/**
 * All that are compared, in the order in which they are shown. One is loaded when it is needed, so
 * that none pays for the imports of another.
 */
import type { Peer } from './peer.ts';

export interface Entry {
  /** What it is and how it is set up, in a line. */
  readonly about: string;
  readonly load: () => Promise<{ readonly peer: Peer }>;
}

export const peers: Readonly<Record<string, Entry>> = {
  'postgres-range': {
    about:
      'PostgreSQL, ranges under an exclusion constraint: find a gap, insert, retry on conflict',
    load: () => import('./postgres-range.ts'),
  },
  'postgres-list': {
    about: 'PostgreSQL, a list of all numbers: the next free row, for update skip locked',
    load: () => import('./postgres-list.ts'),
  },
  redis: {
    about: 'Redis, appendfsync always: a Lua script a grant, from a set of the free numbers',
    load: () => import('./redis.ts'),
  },
  etcd: {
    about:
      'etcd, one member: compare-and-swap of a number drawn at random, through its JSON gateway',
    load: () => import('./etcd.ts'),
  },
  sqlite: {
    about: 'SQLite in a thread of the client, WAL, synchronous=FULL: a transaction a request',
    load: () => import('./sqlite.ts'),
  },
  vmemd: {
    about: 'vmemd over HTTP: alloc of one address, anywhere',
    load: () => import('./vmemd.ts'),
  },
};
