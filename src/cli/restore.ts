/**
 * `vmemd restore`: makes a data directory of a backup. The whole backup is verified first, in a copy
 * inside the directory, as `vmemd verify` does it; only then the directory gets a database.
 */
import { InvalidSetting, type Flags } from '../config.ts';
import { installBackup } from '../journal/data-directory.ts';
import { pathOf, sharedSettings, withBackup } from './data-source.ts';
import { fillDirectory } from './empty-directory.ts';
import { print, type Terminal } from './terminal.ts';
import { verifyJournal } from './verify.ts';

/** Runs the tool. Rejects with InvalidSetting, ToolError or RecoveryError. */
export async function restore(flags: Flags, terminal: Terminal): Promise<void> {
  const { from, json, ...others } = flags;
  if (from === undefined) throw new InvalidSetting('--from is missing: the backup to restore.');
  const file = pathOf('from', from);
  const directory = sharedSettings(others, terminal.environment).data;
  const { stateHash, revision, headRevision } = await fillDirectory(directory, async () => {
    const report = await withBackup(file, directory, terminal, verifyJournal);
    return { ...report, ...installBackup({ file, directory }) };
  });
  if (headRevision !== undefined && headRevision > revision) {
    terminal.errors.write(
      `This directory has known revision ${headRevision}; the backup ends at ${revision}. ` +
        'What was answered in between is given up, and may be given to others.\n',
    );
  }
  const text =
    json === true
      ? `${JSON.stringify({ ok: true, directory, revision, stateHash })}\n`
      : `${directory} is as it was at revision ${revision}. Start the service with --data ${directory}.\n`;
  await print(terminal.output, text);
}
