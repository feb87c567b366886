/** Allocations as lines of a file like /etc/services, as `services-entries.ts` reads them. */
import type { Allocation } from '../http/wire/allocation.ts';
import type { ExportOptions, Writer, Written } from './export.ts';
import { serviceLabels } from './services-entries.ts';

const nameCharacters = 15;
const portCharacters = 15;

/** The protocol is that of the map, or the name of the arena. */
export function servicesWriter({ wordOf }: ExportOptions): Writer {
  return { head: '', write: (allocation) => lineOf(allocation, wordOf) };
}

function lineOf(allocation: Allocation, wordOf: ReadonlyMap<string, string>): Written {
  const { arena, address, size, labels } = allocation;
  const name = labels[serviceLabels.name];
  const aliases = labels[serviceLabels.aliases] ?? '';
  const comment = labels[serviceLabels.comment] ?? '';
  if (size !== '1') return { leftOut: `it has ${size} ports, not one` };
  if (!/^[0-9]{1,9}$/.test(address)) return { leftOut: 'its address is no decimal number' };
  if (name === undefined) return { leftOut: 'it has no label name' };
  if (/[\s#]|^$/.test(name) || aliases.includes('#')) {
    return { leftOut: 'its name has a space or a # in it' };
  }
  const port = `${address}/${wordOf.get(arena) ?? arena}`;
  const rest = [aliases, comment === '' ? '' : `# ${comment}`].filter((part) => part !== '');
  const line = [name.padEnd(nameCharacters), port.padEnd(portCharacters), rest.join(' ')];
  return { line: `${line.join(' ').trimEnd()}\n` };
}
