/** The state as a whole on the wire: its hash, and what the journal holds of it. */
import { z } from 'zod';
import { countOutput, named, revision, timestamp } from './field.ts';

export const checkpoint = named(
  'Checkpoint',
  z.object({
    revision: revision.meta({ description: 'The last revision that is in it.' }),
    completedAt: timestamp.meta({ description: 'When it was complete. RFC 3339, UTC.' }),
    bytes: countOutput('Bytes of its text.'),
    parts: countOutput('Parts that it is stored in.'),
  }),
  {
    description: 'The state stored up to a revision, so that a start reads only what came after.',
    examples: [
      { revision: 120_000, completedAt: '2026-01-01T00:00:00.000Z', bytes: 2_097_152, parts: 22 },
    ],
  },
);

export const state = named(
  'State',
  z.object({
    revision: revision.meta({ description: 'The revision of which `hash` is the state.' }),
    hash: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .meta({
        description:
          'SHA-256 of the state, hexadecimal. Two services with the same hash answer every later ' +
          'request alike.',
      }),
    durableRevision: revision.meta({ description: 'The last revision that survives a crash.' }),
    checkpoint: checkpoint.exactOptional(),
    historyBytes: countOutput('Bytes of the text of all records that are stored.'),
    trimmedRevision: revision.meta({
      description: 'Records up to this one are no longer stored; 0 where none was trimmed.',
    }),
    recordsSinceCheckpoint: countOutput('Records that a start has to apply.'),
    bytesSinceCheckpoint: countOutput('Bytes of their text.'),
  }),
  {
    description: 'The hash of the state, and what the journal holds.',
    examples: [
      {
        revision: 120_345,
        hash: '2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae',
        durableRevision: 120_345,
        checkpoint: {
          revision: 120_000,
          completedAt: '2026-01-01T00:00:00.000Z',
          bytes: 2_097_152,
          parts: 22,
        },
        historyBytes: 15_204_352,
        trimmedRevision: 0,
        recordsSinceCheckpoint: 345,
        bytesSinceCheckpoint: 43_125,
      },
    ],
  },
);

export type State = z.output<typeof state>;

/** Bytes are not JSON, so that they have no component. */
export const backupFile = z.string().meta({
  description: 'A SQLite database, for `vmemd restore`.',
  override: { type: 'string', contentMediaType: 'application/vnd.sqlite3' },
});
