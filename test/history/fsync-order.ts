/**
 * Whether every reply went out after the disk had what it says: the group was written to the
 * write-ahead log, then the log was synchronised, and only when that call had returned did the
 * writing of the reply begin.
 */
import type { SystemCall } from './strace.ts';

export interface Expected {
  /** A text of the reply; it is the first with such a text, or the first after `after`. */
  readonly reply: RegExp;
  /** A text of the record; it is the first with such a text, or the first after `after`. */
  readonly record: string;
  /** A reply that went out before the request was sent. */
  readonly after?: RegExp;
}

/** What is wrong, a sentence each. */
export function orderProblems(
  calls: readonly SystemCall[],
  replies: readonly Expected[],
): string[] {
  const writes = calls.filter(isWriteOfLog);
  const syncs = calls.filter(isSyncOfLog);
  return replies.flatMap(({ reply, record, after }) => {
    const since = after && calls.find((call) => isReply(call) && after.test(call.text));
    if (after !== undefined && since === undefined) return [`no reply ${String(after)} was traced`];
    const later = ({ begins }: SystemCall): boolean => since === undefined || begins > since.begins;
    const sent = calls.find((call) => later(call) && isReply(call) && reply.test(call.text));
    if (sent === undefined) return [`no reply ${String(reply)} was traced`];
    const written = writes.find((call) => later(call) && call.text.includes(record));
    if (written === undefined) return [`${record} is answered, and not in the log`];
    const synced = syncs.some(
      ({ begins, returns }) => begins > written.returns && returns < sent.begins,
    );
    return synced ? [] : [`${record} is answered before the log is synchronised`];
  });
}

export function isReply({ name, text }: SystemCall): boolean {
  return /^(write|writev|sendto|sendmsg)$/.test(name) && text.includes('HTTP/1.1 ');
}

export function isSyncOfLog({ name, text, result }: SystemCall): boolean {
  return /^f(data)?sync$/.test(name) && text.includes('-wal>') && result === 0;
}

function isWriteOfLog({ name, text, result }: SystemCall): boolean {
  return name === 'pwrite64' && text.includes('-wal>') && result > 0;
}
