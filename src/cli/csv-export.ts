/** Allocations as CSV: with a column for each label, as `csv-entries.ts` reads them. */
import { exitCode } from '../exit-code.ts';
import type { Allocation } from '../http/wire/allocation.ts';
import { labelColumn, maskLabel } from './csv-entries.ts';
import { csvLine, sheetLine } from './csv-line.ts';
import type { ExportOptions, Writer, Written } from './export.ts';
import { ToolError } from './tool-error.ts';

/** All keys of labels that allocations have. */
export async function keysIn(allocations: AsyncIterable<Allocation>): Promise<Set<string>> {
  const keys = new Set<string>();
  for await (const { labels } of allocations) for (const key of Object.keys(labels)) keys.add(key);
  return keys;
}

/** Writes all that is known of an allocation, but for labels that are not among the keys. */
export function csvWriter(options: ExportOptions, keys: readonly string[]): Writer {
  if (options.format !== 'csv') return netboxWriter(options, keys);
  const several = options.arenas.length > 1;
  const { owner } = options;
  const head = [
    ...(several ? ['arena'] : []),
    'address',
    'end',
    'size',
    'cidr',
    owner,
    'externalId',
    ...keys.map((key) => labelColumn(key, { netbox: false, owner })),
  ];
  return {
    head: sheetLine(head),
    write: (allocation): Written => {
      const { arena, address, end, size, cidr, labels } = allocation;
      const place = [...(several ? [arena] : []), address, end, size, cidr, allocation.owner];
      return {
        line: sheetLine([...place, allocation.externalId, ...labelsOf(labels, keys, options)]),
      };
    },
  };
}

/** The column that every prefix and address of NetBox has to have, and what it is unless a label says. */
const statusLabel = 'status';
const statusOtherwise = 'active';

function netboxWriter(options: ExportOptions, all: readonly string[]): Writer {
  const addresses = options.format === 'netbox-addresses';
  const keys = all.filter((key) => key !== statusLabel && !(addresses && key === maskLabel));
  const { owner } = options;
  const columns = keys.map((key) => labelColumn(key, { netbox: true, owner }));
  const head = [addresses ? 'address' : 'prefix', statusLabel, owner, ...columns];
  return {
    head: csvLine(head),
    write: (allocation): Written => {
      const { address, size, cidr, labels } = allocation;
      if (cidr === undefined) return { leftOut: `its ${size} addresses are not one prefix` };
      if (addresses && size !== '1') return { leftOut: `it has ${size} addresses, not one` };
      const mask = labels[maskLabel];
      const place = addresses && mask !== undefined ? `${address}/${mask}` : cidr;
      const status = labels[statusLabel] ?? statusOtherwise;
      const fields = [place, status, allocation.owner, ...labelsOf(labels, keys, options)];
      return { line: csvLine(fields) };
    },
  };
}

function labelsOf(
  labels: Allocation['labels'],
  keys: readonly string[],
  options: ExportOptions,
): (string | undefined)[] {
  const known = options.labels !== undefined || Object.keys(labels).every(isKnown(keys));
  if (!known) {
    const message =
      'An allocation got a label meanwhile that none had before, and so has no column. Try again, ' +
      'or say with --label which there are to be.';
    throw new ToolError(exitCode.transferFailed, message);
  }
  return keys.map((key) => (Object.hasOwn(labels, key) ? labels[key] : undefined));
}

function isKnown(keys: readonly string[]): (key: string) => boolean {
  const known = new Set(keys);
  return (key) => known.has(key) || key === statusLabel || key === maskLabel;
}
