/**
 * Gives the frees of a history the revisions that their answers do not tell, from the records of
 * the journal. Two frees of one address never overlap in a right history without lost answers:
 * whatever the second one frees was granted to somebody in between.
 */
import type { JournalRecord } from '../../src/journal/journal.ts';
import { decode } from '../../src/journal/record.ts';
import type { History, Operation } from './history.ts';

export function numbered(
  { places, operations }: History,
  records: readonly JournalRecord[],
): History {
  const frees = new Map<string, number[]>();
  for (const { revision, body } of records) {
    const event = decode(body);
    if (event.type !== 'freed') continue;
    const key = `${event.arena} ${event.base}`;
    frees.set(key, [...(frees.get(key) ?? []), revision]);
  }
  const inOrder = operations.toSorted((a, b) => a.start - b.start);
  const given = inOrder.map((operation): Operation => {
    const { arena, call, answer } = operation;
    if (call.type !== 'free' || answer?.type !== 'freed') return operation;
    const revision = frees.get(`${arena} ${call.address}`)?.shift();
    if (revision === undefined) throw new Error(`no record frees ${arena} ${call.address}`);
    return { ...operation, answer: { ...answer, revision } };
  });
  return { places, operations: given };
}
