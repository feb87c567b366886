/**
 * The service, from its start to its end. The order of starting matters: settings before anything is
 * opened, the journal before recovery, and recovery before the first connection, so that whoever can
 * connect gets true answers. Stopping goes the other way: no new connections, answer what was asked,
 * then close the journal.
 */
import { join } from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import { pino, type Logger } from 'pino';
import type { Settings } from './config.ts';
import { Engine } from './engine/engine.ts';
import { exitCode, type ExitCode } from './exit-code.ts';
import { Feed } from './feed.ts';
import { Book } from './history/book.ts';
import type { BookEvent } from './history/book-worker.ts';
import { buildApp } from './http/app.ts';
import { compileSerializer, type App } from './http/contract.ts';
import { StorageFailure } from './journal/journal.ts';
import { RecoveryError } from './journal/recovery-error.ts';
import { recover } from './journal/recovery.ts';
import type { JournalEvent, SqliteJournal } from './journal/sqlite.ts';
import { helpersYieldToOthers } from './journal/thread.ts';
import { LeaseTimer } from './lease-timer.ts';
import { RestTimer } from './rest-timer.ts';
import { JournalUnavailable, Sequencer } from './sequencer.ts';
import { SpanTimer } from './span-timer.ts';
import { version } from './version.ts';

/** Of the log that cannot be written; what comes after that is dropped. */
const LOG_CHARACTERS_MAX = 1_048_576;

/** Serves what the journal holds that is being opened. Where it can't, the process ends. */
export async function serve(settings: Settings, opening: Promise<SqliteJournal>): Promise<void> {
  // Written at once: a line about why the process ends must not be lost with it.
  const log = pino.destination({ sync: true, maxLength: LOG_CHARACTERS_MAX });
  // A full disk of the log is none of the data: the lines are written when there is room.
  log.on('error', () => undefined);
  const logger = pino({ level: settings.logLevel, base: null }, log);
  try {
    await start(settings, opening, logger);
  } catch (error) {
    end(logger, error);
  }
}

async function start(
  settings: Settings,
  opening: Promise<SqliteJournal>,
  logger: Logger,
): Promise<void> {
  const { data: directory } = settings;
  const journal = await opening;
  journal.onEvent = (event) => note(logger, event);
  for (const warning of journal.warnings) logger.warn(warning);
  const engine = new Engine();
  const { revision, checkpoint, records, arenas } = await recover(journal, engine, {
    onProgress: (applied) => logger.info({ records: applied }, 'recovering'),
  });
  const { port1, port2 } = new MessageChannel();
  const onEvent = (event: BookEvent): void => noteBook(logger, event);
  const book = new Book({ directory, port: port1, onEvent });
  await journal.follow(port2);
  const feed = new Feed(journal, revision);
  const sequencer = new Sequencer(engine, journal, {
    onDurable: (durable) => feed.add(durable),
    onFailure: (cause) => endAnswered(logger, cause),
  });
  const { tokens } = settings;
  const restTimer = new RestTimer(sequencer);
  const app = await buildApp({
    sequencer,
    feed,
    history: book,
    backups: {
      file: join(directory, 'backup.tmp'),
      make: (file) => journal.backup(file),
    },
    logger,
    version,
    secondsLeft: (rest) => restTimer.secondsLeft(rest),
    ...(tokens !== undefined && { tokens }),
  });
  const timers = [new SpanTimer(sequencer), restTimer, new LeaseTimer(sequencer)];
  for (const timer of timers) timer.start();
  stopsOnSignal({ app, sequencer, book, logger, timers });
  const address = await app.listen({ host: settings.host, port: settings.port });
  // Since the process began.
  const ms = Math.round(performance.now());
  logger.debug({ checkpoint, records }, 'recovered');
  logger.info({ address, data: directory, revision, arenas, ms }, 'listening');
  setTimeout(compileSerializers, COMPILES_AFTER_MS).unref();
  // Not before: a start is the faster the sooner what it runs is compiled.
  helpersYieldToOthers();
}

/** Until then, whoever asks first has what answers it compiled. */
const COMPILES_AFTER_MS = 1000;

/** One at a time, so that requests get in between. */
function compileSerializers(): void {
  if (compileSerializer()) setImmediate(compileSerializers);
}

/** Tells what the journal does of its own accord; where it has failed, the process ends. */
function note(logger: Logger, event: JournalEvent): void {
  switch (event.type) {
    case 'checkpointStarted':
      logger.info({ revision: event.revision, resumed: event.resumed }, 'checkpoint started');
      return;
    case 'checkpointEnded':
      logger.info({ ...event.report }, 'checkpoint ended');
      return;
    case 'trimmed':
      logger.info({ revision: event.revision, groups: event.groups }, 'history trimmed');
      return;
    case 'failed':
      end(logger, event.error);
  }
}

/** Tells how far the book of history is; the service is there without it. */
function noteBook(logger: Logger, event: BookEvent): void {
  const { type, ...fields } = event;
  switch (type) {
    case 'making':
      logger.info(fields, 'history is being made');
      return;
    case 'made':
      logger.info(fields, 'history made');
      return;
    case 'discarded':
      logger.warn(fields, 'history discarded, it is made anew');
      return;
    case 'failed':
      logger.error(fields, 'history failed');
  }
}

/** A signal to a whole process group reaches this process more than once; that is one wish. */
const SAME_WISH_MS = 1000;

/** These signals stop in order; a second one ends at once, which loses nothing answered. */
function stopsOnSignal(running: {
  readonly app: App;
  readonly sequencer: Sequencer;
  readonly book: Book;
  readonly logger: Logger;
  readonly timers: readonly { stop(): void }[];
}): void {
  const { app, sequencer, book, logger, timers } = running;
  let stoppingSince: number | undefined;
  const stop = (signal: NodeJS.Signals): void => {
    if (stoppingSince !== undefined) {
      if (performance.now() - stoppingSince < SAME_WISH_MS) return;
      logger.warn({ signal }, 'stopped at once');
      process.exit(exitCode.ok);
    }
    stoppingSince = performance.now();
    for (const timer of timers) timer.stop();
    logger.info({ signal }, 'stopping');
    app
      .close()
      .then(() => book.close())
      .then(() => sequencer.close())
      .then(
        () => {
          logger.info('stopped');
          process.exit(exitCode.ok);
        },
        (error: unknown) => end(logger, error),
      );
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, stop);
}

/** Ends the process, says why, and tells the supervisor by the exit code. */
function end(logger: Logger, error: unknown): never {
  process.exit(tell(logger, error));
}

/** Those who wait are refused in the turn of the failure; to tell them takes some more. */
const LAST_ANSWERS_MS = 500;

/** As `end`, once those who wait have been answered. Until then everyone else is refused as well. */
function endAnswered(logger: Logger, error: unknown): void {
  const code = tell(logger, error);
  setTimeout(() => process.exit(code), LAST_ANSWERS_MS);
}

/** Says why the process ends; gives the exit code for it. */
function tell(logger: Logger, error: unknown): ExitCode {
  const { code, message } = reasonOf(error);
  logger.fatal({ err: error, exitCode: code }, message);
  return code;
}

function reasonOf(error: unknown): { code: ExitCode; message: string } {
  if (error instanceof RecoveryError) {
    return { code: error.exitCode, message: `${error.message} ${error.remedy}` };
  }
  if (error instanceof JournalUnavailable || error instanceof StorageFailure) {
    return {
      code: exitCode.journalFailed,
      message: `${error.message} Restart: recovery decides what holds.`,
    };
  }
  if (error instanceof Error && 'syscall' in error && listenSyscalls.has(String(error.syscall))) {
    return { code: exitCode.cannotListen, message: `Cannot listen: ${error.message}.` };
  }
  return { code: exitCode.internalError, message: 'A bug of vmemd ended the process.' };
}

const listenSyscalls = new Set(['listen', 'bind', 'getaddrinfo']);
