/**
 * Entries of a CSV file: of any with a header, and of the exports of NetBox. The header says what a
 * column is: the place of the block, its owner, its arena, or else a label of that name.
 */
import { parse } from 'csv-parse';
import { Readable } from 'node:stream';
import { exitCode } from '../exit-code.ts';
import { labelKeyPattern } from '../http/wire/field.ts';
import { refusedRow, type Entry, type Place, type ReadRow, type Row } from './entry.ts';
import { unguarded } from './csv-line.ts';
import { decoded, shown } from './row-text.ts';
import { ToolError } from './tool-error.ts';

export interface CsvOptions {
  /** Whether it is an export of NetBox, of prefixes or of IP addresses. */
  readonly netbox: boolean;
  /** Where rows go that say nothing else. */
  readonly arena: string | undefined;
  /** Of NetBox: the arena of each VRF; without it, VRFs are labels alone. */
  readonly arenaOf: ReadonlyMap<string, string> | undefined;
  /** The column that has the owner. */
  readonly owner: string;
  /** The columns that become labels; all that are nothing else unless given. */
  readonly labels: ReadonlySet<string> | undefined;
}

/** No row that a person or a program means is longer. */
const rowBytesMax = 1 << 20;
const labelPrefix = 'label:';

/** The columns that say where a block lies, as they are called in either kind of file. */
const placeColumns: Readonly<Record<string, keyof Place>> = {
  address: 'address',
  size: 'size',
  end: 'end',
  cidr: 'cidr',
  prefixlength: 'prefixLength',
  prefix_length: 'prefixLength',
};

type Column =
  | { readonly is: 'place'; readonly name: keyof Place }
  | { readonly is: 'owner' | 'externalId' | 'arena' | 'vrf' }
  /** One that is not kept is read all the same, for the status that NetBox says there. */
  | { readonly is: 'label'; readonly key: string; readonly kept: boolean };

/** Rejects with ToolError where the header does not do, or the quoting of a row is broken. */
export async function* csvEntries(
  chunks: AsyncIterable<Buffer>,
  options: CsvOptions,
): AsyncGenerator<ReadRow> {
  let broken: { readonly line: number; readonly message: string } | undefined;
  const parser = parse({
    encoding: 'latin1',
    info: true,
    raw: true,
    record_delimiter: ['\r\n', '\n'],
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: rowBytesMax,
    // A field that is quoted is there, also where it is empty.
    cast: (value, { quoting }) => (value === '' && !quoting ? undefined : value),
    // An error would take away the rows before it that nobody has read yet.
    skip_records_with_error: true,
    on_skip: (error, raw = '') => {
      const end = Number((error as { lines?: number } | undefined)?.lines);
      broken ??= { line: lineOf(end, raw), message: error?.message ?? 'not CSV' };
      return undefined;
    },
  });
  const source = Readable.from(chunks);
  source.once('error', (error) => parser.destroy(error));
  let columns: Column[] | undefined;
  for await (const read of source.pipe(parser) as AsyncIterable<Read>) {
    const { raw, record, info } = read;
    const line = lineOf(info.lines, raw);
    // Behind broken quotes nobody knows where a row begins.
    if (broken !== undefined && line >= broken.line) break;
    if (columns === undefined) columns = columnsOf(record, options);
    else yield entryOf(record, columns, { line, text: shown(raw) }, options);
  }
  source.destroy();
  if (broken !== undefined) {
    const { line, message } = broken;
    const remedy = 'Rows before it are done; correct it and import the file again.';
    throw new ToolError(exitCode.fileRefused, `Line ${line} is no CSV: ${message}. ${remedy}`);
  }
  if (columns === undefined) throw noHeader('there is nothing in the file');
}

/** The line that a row begins on, by the one that it ends on: it may have line ends in its fields. */
function lineOf(end: number, raw: string): number {
  return end - (raw.trim().split('\n').length - 1);
}

interface Read {
  readonly info: { readonly lines: number };
  readonly raw: string;
  readonly record: readonly (string | undefined)[];
}

function columnsOf(header: Read['record'], options: CsvOptions): Column[] {
  const names = header.map((bytes, index) => {
    const name = textIn(bytes ?? '', options)?.trim();
    if (name === undefined) throw noHeader('it is not UTF-8');
    if (name === '') throw noHeader(`column ${index + 1} has no name`);
    return name;
  });
  const columns = names.map((name) => columnOf(name, options));
  const taken = new Map<string, string>();
  for (const [index, column] of columns.entries()) {
    if (column.is === 'label' && !column.kept) continue;
    const what =
      'key' in column ? `label ${column.key}` : 'name' in column ? column.name : column.is;
    const other = taken.get(what);
    if (other !== undefined) throw noHeader(`${other} and ${names[index]} are both the ${what}`);
    taken.set(what, names[index]!);
  }
  const placed = taken.has('address') || taken.has('cidr');
  const wanted = options.netbox ? 'prefix or address' : 'address or cidr';
  if (!placed) throw noHeader(`there is no column ${wanted}, only ${names.join(', ')}`);
  return columns;
}

function columnOf(name: string, { netbox, owner, labels, arenaOf }: CsvOptions): Column {
  const plain = plainName(name);
  if (netbox && plain === 'prefix') return { is: 'place', name: 'cidr' };
  const place = placeColumns[plain];
  if (place !== undefined && (!netbox || place === 'address')) return { is: 'place', name: place };
  if (name.toLowerCase() === owner.toLowerCase()) return { is: 'owner' };
  if (!netbox && externalIdNames.includes(plain)) return { is: 'externalId' };
  if (netbox && plain === 'vrf' && arenaOf !== undefined) return { is: 'vrf' };
  if (!netbox && plain === 'arena') return { is: 'arena' };
  const key = name.startsWith(labelPrefix) ? name.slice(labelPrefix.length) : keyOf(name, netbox);
  const kept = labels === undefined || labels.has(name) || labels.has(key);
  if (!kept || labelKeyPattern.test(key)) return { is: 'label', key, kept };
  throw noHeader(`"${name}" can't be the key of a label; say with --label which columns to take`);
}

/** How the column of external ids is called. */
const externalIdNames = ['externalid', 'external_id'];

/** How a column is called, however it is written. */
function plainName(name: string): string {
  return name.toLowerCase().replaceAll(/[ -]+/g, '_');
}

/** The name of a column that a label has, such that it is read as that label again. */
export function labelColumn(
  key: string,
  { netbox, owner }: Pick<CsvOptions, 'netbox' | 'owner'>,
): string {
  const plain = plainName(key);
  const other = netbox
    ? ['prefix', 'address']
    : ['arena', ...externalIdNames, ...Object.keys(placeColumns)];
  const meansLabel = keyOf(key, netbox) === key && ![...other, owner.toLowerCase()].includes(plain);
  return meansLabel ? key : labelPrefix + key;
}

/** What of a column's name may be the key of a label; NetBox's own names are in lower case. */
function keyOf(name: string, netbox: boolean): string {
  const key = name.replaceAll(/[^A-Za-z0-9._/-]+/g, '_').replace(/^[^A-Za-z0-9]+|_+$/g, '');
  return netbox ? key.toLowerCase() : key;
}

/** The text of a field; undefined where it is not UTF-8. NetBox guards nothing. */
function textIn(bytes: string, { netbox }: Pick<CsvOptions, 'netbox'>): string | undefined {
  const text = decoded(bytes);
  return text === undefined || netbox ? text : unguarded(text);
}

/** The status by which NetBox marks a prefix that is there for others to lie in. */
const container = 'container';

function entryOf(
  record: Read['record'],
  columns: readonly Column[],
  row: Row,
  options: CsvOptions,
): ReadRow {
  if (record.length !== columns.length) {
    return refusedRow(row, `has ${record.length} fields, the header has ${columns.length}`);
  }
  const place: Record<string, string> = {};
  const labels: Record<string, string> = {};
  let { arena } = options;
  let owner: string | undefined;
  let externalId: string | undefined;
  let status: string | undefined;
  for (const [index, column] of columns.entries()) {
    const value = textIn(record[index] ?? '', options);
    if (value === undefined) return refusedRow(row, `field ${index + 1} is not UTF-8`);
    if (record[index] === undefined) continue;
    if (column.is === 'place') place[column.name] = value.trim();
    else if (column.is === 'label') {
      if (column.key === 'status') status = value;
      if (column.kept) labels[column.key] = value;
    }
    if (column.is === 'owner') owner = value;
    else if (column.is === 'externalId') externalId = value;
    else if (column.is === 'arena') arena = value.trim();
    else if (column.is === 'vrf') {
      arena = options.arenaOf?.get(value.trim());
      if (arena === undefined) return refusedRow(row, `no arena is given for the VRF ${value}`);
      labels['vrf'] = value;
    }
  }
  const holdsOthers = place['cidr'] !== undefined && status?.toLowerCase() === container;
  if (options.netbox && holdsOthers) return { kind: 'skipped', ...row };
  if (arena === '') return { kind: 'skipped', ...row };
  if (arena === undefined) return refusedRow(row, 'says no arena; give --arena');
  const entry: Entry = {
    kind: 'entry',
    ...row,
    arena,
    place,
    ...(owner !== undefined && owner !== '' && { owner }),
    ...(externalId !== undefined && externalId !== '' && { externalId }),
    labels,
  };
  return options.netbox ? netboxEntry(entry) : entry;
}

/** An IP address of NetBox has the length of the prefix that it lies in, which is none of its own. */
function netboxEntry(entry: Entry): Entry {
  const { address } = entry.place;
  const slash = address?.indexOf('/') ?? -1;
  if (address === undefined || slash < 0) return entry;
  const labels = { ...entry.labels, [maskLabel]: address.slice(slash + 1) };
  return { ...entry, place: { address: address.slice(0, slash) }, labels };
}

export const maskLabel = 'mask_length';

function noHeader(what: string): ToolError {
  const message = `The header does not do: ${what}. Nothing was imported.`;
  return new ToolError(exitCode.fileRefused, message);
}
