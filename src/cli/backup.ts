/**
 * `vmemd backup`: one file with everything that is stored, history included, as of one revision.
 * From a running service it comes over HTTP, while that serves; from a data directory that no
 * service has open, it is copied. Either way each record is verified against its digest before it
 * gets into the backup, which therefore is no faithful copy of damage.
 */
import { open } from 'node:fs/promises';
import { InvalidSetting, type Flags } from '../config.ts';
import { Engine } from '../engine/engine.ts';
import { RecoveryError } from '../journal/recovery-error.ts';
import { recover } from '../journal/recovery.ts';
import { pathOf, sharedSettings, withDirectory } from './data-source.ts';
import { download, type Download } from './download.ts';
import { makeFile } from './new-file.ts';
import { Progress } from './progress.ts';
import { tokenOf, urlOf } from './service.ts';
import { bytesText, print, type Terminal } from './terminal.ts';

/** Runs the tool. Rejects with InvalidSetting, ToolError or RecoveryError. */
export async function backup(flags: Flags, terminal: Terminal): Promise<void> {
  const { to, url, json, force, 'token-file': tokenFile, ...others } = flags;
  if (to === undefined) throw new InvalidSetting('--to is missing: the file to write.');
  const path = pathOf('to', to);
  if (url !== undefined && others['data'] !== undefined) {
    throw new InvalidSetting(
      '--url must not be given together with --data: the service knows where its data is.',
    );
  }
  const service = url === undefined ? undefined : urlOf(url);
  if (service === undefined && tokenFile !== undefined) {
    throw new InvalidSetting('--token-file is for a service: give its address with --url.');
  }
  const directory = sharedSettings(others, terminal.environment).data;
  const token = service && tokenOf(tokenFile, terminal.environment);
  const { revision, bytes } = await makeFile(path, force === true, (partial) =>
    service === undefined
      ? copyDirectory(directory, partial, terminal)
      : fetchBackup(service, token, partial, terminal),
  );
  const text =
    json === true
      ? `${JSON.stringify({ ok: true, file: path, revision, bytes })}\n`
      : `${path}: ${bytesText(bytes)}, everything up to revision ${revision}.\n`;
  await print(terminal.output, text);
}

async function copyDirectory(
  directory: string,
  partial: string,
  terminal: Terminal,
): Promise<Download> {
  try {
    return await withDirectory(directory, terminal, async (journal, progress) => {
      // As at a start: what does not start must not become a backup.
      await recover(journal, new Engine(), {
        onProgress: (done) => progress.update('records read', done),
      });
      return journal.backup(partial, (done, total) => progress.update('bytes copied', done, total));
    });
  } catch (error) {
    if (!(error instanceof RecoveryError) || error.code !== 'locked') throw error;
    const remedy = 'Where that is the service, give its address with --url.';
    throw new RecoveryError('locked', error.message, remedy, { cause: error });
  }
}

async function fetchBackup(
  url: URL,
  token: string | undefined,
  partial: string,
  { errors }: Terminal,
): Promise<Download> {
  const file = await open(partial, 'wx', 0o600);
  const progress = new Progress(errors);
  try {
    return await download({ url, file, progress, ...(token !== undefined && { token }) });
  } finally {
    progress.end();
    await file.close();
  }
}
