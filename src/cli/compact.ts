/**
 * `vmemd compact`: makes the database of a stopped service as small as the settings allow. A
 * checkpoint takes in every record, the history that is not to be kept is removed, and the room that
 * is left is given back to the file system.
 */
import type { Flags } from '../config.ts';
import { Engine } from '../engine/engine.ts';
import { recover } from '../journal/recovery.ts';
import { sharedSettings, withDirectory } from './data-source.ts';
import { bytesText, print, tableText, type Terminal } from './terminal.ts';

/** Runs the tool. Rejects with InvalidSetting, ToolError or RecoveryError. */
export async function compact(flags: Flags, terminal: Terminal): Promise<void> {
  const { json, ...others } = flags;
  const { data, historyDays, historyBytes } = sharedSettings(others, terminal.environment);
  const settings = { historyDays, historyBytes };
  const report = await withDirectory(
    data,
    terminal,
    async (journal, progress) => {
      await recover(journal, new Engine(), {
        onProgress: (done) => progress.update('records read', done),
      });
      const { revision, hash: stateHash } = await journal.checkpoint();
      const { trimmedRevision } = await journal.trim();
      const { bytesBefore, bytesAfter } = await journal.vacuum();
      const { historyBytes } = journal.figures;
      return { revision, trimmedRevision, historyBytes, bytesBefore, bytesAfter, stateHash };
    },
    settings,
  );
  const kept =
    report.trimmedRevision === report.revision
      ? 'none'
      : `records ${report.trimmedRevision + 1} to ${report.revision}, ${bytesText(report.historyBytes)}`;
  const text =
    json === true
      ? `${JSON.stringify({ ok: true, directory: data, ...report })}\n`
      : tableText([
          ['before', bytesText(report.bytesBefore)],
          ['after', bytesText(report.bytesAfter)],
          ['revision', report.revision],
          ['history', kept],
          ['state hash', report.stateHash],
        ]);
  await print(terminal.output, text);
}
