/**
 * Entries of a file like /etc/services: `name port/protocol aliases # comment`. The protocol says
 * which arena a port is of.
 */
import { refusedRow, type ReadRow } from './entry.ts';
import { decoded, linesOf, shown } from './row-text.ts';

export interface ServicesOptions {
  /** The arena of each protocol; an empty name skips its ports. */
  readonly arenaOf: ReadonlyMap<string, string>;
}

/** Arenas of the protocols that ports are nearly always of. */
export const protocolArenas: ReadonlyMap<string, string> = new Map([
  ['tcp', 'tcp'],
  ['udp', 'udp'],
]);

/** Keys of the labels that the parts of a line become. */
export const serviceLabels = { name: 'name', aliases: 'aliases', comment: 'comment' } as const;

/** Rejects with ToolError where a line is far too long to be one. */
export async function* servicesEntries(
  chunks: AsyncIterable<Buffer>,
  { arenaOf }: ServicesOptions,
): AsyncGenerator<ReadRow> {
  let line = 0;
  for await (const bytes of linesOf(chunks)) {
    line += 1;
    const row = { line, text: shown(bytes) };
    const text = decoded(bytes);
    if (text === undefined) {
      yield refusedRow(row, 'is not UTF-8');
      continue;
    }
    const hash = text.indexOf('#');
    const words = (hash < 0 ? text : text.slice(0, hash))
      .split(/\s+/)
      .filter((word) => word !== '');
    const [name, port, ...aliases] = words;
    if (name === undefined) continue;
    const [, number, protocol] = /^([0-9]{1,9})\/([A-Za-z0-9._-]+)$/.exec(port ?? '') ?? [];
    if (number === undefined || protocol === undefined) {
      yield refusedRow(row, 'must be a name, then a port and a protocol, such as 80/tcp');
      continue;
    }
    const arena = arenaOf.get(protocol);
    if (arena === undefined) {
      yield refusedRow(row, `no arena is given for ${protocol}; give one with --map ${protocol}=…`);
      continue;
    }
    if (arena === '') {
      yield { kind: 'skipped', ...row };
      continue;
    }
    const comment = hash < 0 ? '' : text.slice(hash + 1).trim();
    yield {
      kind: 'entry',
      ...row,
      arena,
      // A leading zero is no octal number here.
      place: { address: String(Number(number)) },
      labels: {
        [serviceLabels.name]: name,
        ...(aliases.length > 0 && { [serviceLabels.aliases]: aliases.join(' ') }),
        ...(comment !== '' && { [serviceLabels.comment]: comment }),
      },
    };
  }
}
