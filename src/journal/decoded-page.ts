/**
 * Parts of a checkpoint as they pass from the thread that reads them to one that wants them. What
 * consists of numbers is decoded before: in columns, numbers pass as good as for nothing, and whoever
 * waits for the state is spared the reading. Names and labels pass as text, which is cheaper than objects.
 */
import type { GapsPart, LeasedPart, SegmentsPart, SnapshotPart } from '../engine/snapshot.ts';
import { RecordError } from './codec.ts';
import { checkpointDamaged, newerRecord } from './recovery-error.ts';
import { decodePart } from './snapshot-part.ts';

type Columns = SegmentsPart | LeasedPart | GapsPart;

/** How such a part begins. What begins otherwise is looked at where it arrives. */
const ofColumns = /^\{"v":1,"type":"(?:segments|leased|gaps)",/;

export interface DecodedPage {
  readonly type: 'decoded';
  /** Place of the first part among all of the checkpoint, from 0. */
  readonly first: number;
  readonly bodies: readonly (string | Columns)[];
}

/** Decodes what passes better so. Throws RecoveryError. */
export function decodedPageOf(first: number, bodies: readonly string[]): DecodedPage {
  const passing = bodies.map((body, i) =>
    ofColumns.test(body) ? (decodedPart(body, first + i) as Columns) : body,
  );
  return { type: 'decoded', first, bodies: passing };
}

/** The parts on a page, of which not all were decoded. Throws RecoveryError. */
export function* partsOf(page: {
  readonly first: number;
  readonly bodies: readonly (string | Columns)[];
}): Generator<SnapshotPart> {
  for (const [i, body] of page.bodies.entries()) {
    yield typeof body === 'string' ? decodedPart(body, page.first + i) : body;
  }
}

/** A part, the `index`th of a checkpoint from 0. Throws RecoveryError. */
export function decodedPart(body: string, index: number): SnapshotPart {
  try {
    return decodePart(body);
  } catch (cause) {
    const what = `Part ${index} of the checkpoint`;
    if (!(cause instanceof RecordError)) throw cause;
    throw cause.code === 'malformed' ? checkpointDamaged(what, cause) : newerRecord(what, cause);
  }
}
