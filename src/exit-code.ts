/**
 * Exit codes: how the process tells its supervisor why it ended. Scripts and unit files depend on
 * these numbers, so one that was released never changes its meaning. A supervisor may restart after
 * 1 and 6, where recovery decides what holds; after the others a person has to act first.
 */
export const exitCode = {
  /** Stopped on request, everything accepted is durable. */
  ok: 0,
  /** An assertion failed: a bug of ours. Memory was no longer trusted, the journal is. */
  internalError: 1,
  /** Unknown command, or a setting that is invalid. Nothing was opened. */
  usage: 2,
  /** Another process has the data directory open. */
  dataLocked: 3,
  /** The data was written by a newer version than this one. */
  dataNewer: 4,
  /** The data is damaged, or is not ours. Nothing was changed. */
  dataDamaged: 5,
  /** A commit failed while running, its outcome is unknown. A restart recovers. */
  journalFailed: 6,
  /** The address or port cannot be listened on. */
  cannotListen: 7,
  /** The data directory cannot be used: permissions, read-only, not a directory. */
  dataUnusable: 8,
  /** The disk of the data directory is full. */
  diskFull: 9,
  /** The journal ends before what was answered, or nothing says where it ended. */
  tailMissing: 10,
  /** The newest checkpoint is damaged. Nothing was changed. */
  checkpointDamaged: 11,
  /** Of a tool: the service that was asked for data could not be reached, or broke off. */
  transferFailed: 12,
  /** Of a tool: a dump is not one, was cut off, or contradicts itself. Nothing was made. */
  dumpRefused: 13,
  /** Of a tool: a file to import is not of its format from some row on. Rows before it are done. */
  fileRefused: 14,
  /** Of a tool: some rows were refused, or allocations left out. The others are done. */
  rowsRefused: 15,
} as const;

export type ExitCode = (typeof exitCode)[keyof typeof exitCode];
