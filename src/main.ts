/**
 * The process: reads the command line and runs what it asks for. Besides vmemd.js and serve.ts, this is
 * the only file that touches `process`.
 *
 * What a command needs is loaded when it is asked for. Of the service, the thread of its journal
 * comes first: it opens the data and begins to read while the rest is loaded.
 */
import './v8.ts';
import { parseArguments } from './cli/arguments.ts';
import { help } from './cli/help.ts';
import { print, type Terminal } from './cli/terminal.ts';
import { InvalidSetting, readSettings, type Flags, type Settings } from './config.ts';
import { exitCode } from './exit-code.ts';
import { openSqliteJournal, type SqliteJournal } from './journal/sqlite.ts';
import { version } from './version.ts';

/** Runs the command line of this process. */
export async function run(): Promise<void> {
  const request = parseArguments(process.argv.slice(2));
  switch (request.command) {
    case 'help':
      await say(help[request.of]);
      return;
    case 'version':
      await say(`${version}\n`);
      return;
    case 'mistake':
      terminal().errors.write(`vmemd: ${request.message}\n\n${help[request.of]}`);
      process.exitCode = exitCode.usage;
      return;
    case 'serve':
      await serve(request.flags);
      return;
    default: {
      const { runTool } = await import('./cli/tool.ts');
      process.exitCode = await runTool(request.command, request.flags, terminal());
    }
  }
}

async function say(text: string): Promise<void> {
  try {
    await print(terminal().output, text);
  } catch {
    process.exitCode = exitCode.dataUnusable;
  }
}

function terminal(): Terminal {
  const { stdin: input, stdout: output, stderr: errors, env: environment } = process;
  // A write that fails rejects its promise; without a listener it would end the process before.
  for (const stream of [output, errors]) stream.on('error', () => undefined);
  return { input, output, errors, environment };
}

async function serve(flags: Flags): Promise<void> {
  const settings = settingsOrExit(flags);
  diesWithItsGuard();
  const opening = openJournal(settings);
  // Whoever waits for it hears of a failure, and that may be later than it comes.
  opening.catch(() => undefined);
  const service = await import('./serve.ts');
  await service.serve(settings, opening);
}

function settingsOrExit(flags: Flags): Settings {
  try {
    return readSettings(flags, process.env);
  } catch (error) {
    if (!(error instanceof InvalidSetting)) throw error;
    process.stderr.write(`vmemd: ${error.message}\n`);
    return process.exit(exitCode.usage);
  }
}

function openJournal(settings: Settings): Promise<SqliteJournal> {
  const { data: directory, acceptRevision, checkpointBytes } = settings;
  const { historyDays, historyBytes, keysMax } = settings;
  return openSqliteJournal({
    directory,
    checkpointBytes,
    historyDays,
    historyBytes,
    keysMax,
    followed: true,
    ...(acceptRevision !== undefined && { acceptRevision }),
  });
}

/** Where vmemd.js handed over from an older Node, killing that process has to end this one too. */
function diesWithItsGuard(): void {
  if (process.channel === undefined || process.channel === null) return;
  process.once('disconnect', () => process.exit(exitCode.ok));
  process.channel.unref();
}
