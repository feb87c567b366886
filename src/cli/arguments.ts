/** The command line: which command is asked for, with which flags. Values are checked elsewhere. */
import { parseArgs } from 'node:util';
import { settingNames, type Flags } from '../config.ts';

/** The commands beside `serve`, which work on data and end. */
export const toolNames = [
  'verify',
  'backup',
  'restore',
  'dump',
  'load',
  'compact',
  'import',
  'export',
] as const;
export type ToolName = (typeof toolNames)[number];
export type CommandName = ToolName | 'serve';

export type Request =
  | { readonly command: CommandName; readonly flags: Flags }
  | { readonly command: 'help'; readonly of: CommandName | 'vmemd' }
  | { readonly command: 'version' }
  /** Not understood, and why, as a sentence; and whose help says more. */
  | {
      readonly command: 'mistake';
      readonly message: string;
      readonly of: CommandName | 'vmemd';
    };

type FlagType = 'string' | 'boolean';

const serveFlags: Readonly<Record<string, FlagType>> = Object.fromEntries(
  Object.values(settingNames).map(({ flag }) => [flag, flag === 'insecure' ? 'boolean' : 'string']),
);

const text = 'string';
const given = 'boolean';

/** The flags of each command. */
export const flagTypes: Readonly<Record<CommandName, Readonly<Record<string, FlagType>>>> = {
  serve: serveFlags,
  verify: { data: text, from: text, json: given },
  backup: { to: text, data: text, url: text, 'token-file': text, force: given, json: given },
  restore: { from: text, data: text, json: given },
  dump: { data: text, from: text, to: text, force: given },
  load: { from: text, data: text, edited: given, json: given },
  compact: { data: text, 'history-days': text, 'history-mib': text, json: given },
  import: {
    url: text,
    'token-file': text,
    from: text,
    arena: text,
    format: text,
    label: text,
    owner: text,
    map: text,
    create: given,
    span: text,
    reuse: given,
    'dry-run': given,
    report: text,
    json: given,
  },
  export: {
    url: text,
    'token-file': text,
    arena: text,
    format: text,
    label: text,
    owner: text,
    map: text,
    to: text,
    force: given,
  },
};

const commandNames: readonly CommandName[] = ['serve', ...toolNames];

/** Reads the words after the program's name. Never throws: what is wrong is a `mistake`. */
export function parseArguments(words: readonly string[]): Request {
  const known = Object.assign({}, ...Object.values(flagTypes)) as Record<string, FlagType>;
  let parsed;
  try {
    parsed = parseArgs({
      args: [...words],
      options: {
        ...Object.fromEntries(Object.entries(known).map(([flag, type]) => [flag, { type }])),
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean' },
      },
      allowPositionals: true,
    });
  } catch (error) {
    // parseArgs throws for unknown flags and missing values, with a sentence for a person.
    const of = commandNames.find((name) => name === words[0]);
    return mistake(error instanceof Error ? error.message : String(error), of);
  }
  const { help, version, ...flags } = parsed.values;
  const [word, ...rest] = parsed.positionals;
  if (version === true) return { command: 'version' };
  if (word === 'help') return helpOf(rest);
  if (help === true) return helpOf(parsed.positionals.slice(0, 1));
  if (word === undefined) return mistake('A command is missing.');
  const command = commandNames.find((name) => name === word);
  if (command === undefined) return unknownCommand(word);
  if (rest.length > 0) {
    return mistake(`${command} takes flags alone, not "${rest[0]}".`, command);
  }
  const foreign = Object.keys(flags).find((flag) => !Object.hasOwn(flagTypes[command], flag));
  if (foreign !== undefined) {
    return mistake(`${command} has no flag --${foreign}.`, command);
  }
  return { command, flags: flags as Flags };
}

function helpOf([word, ...rest]: readonly string[]): Request {
  if (word === undefined) return { command: 'help', of: 'vmemd' };
  if (rest.length > 0) return mistake(`help takes one command, not "${rest[0]}" as well.`);
  const of = commandNames.find((name) => name === word);
  return of === undefined ? unknownCommand(word) : { command: 'help', of };
}

function unknownCommand(word: string): Request {
  const near = commandNames
    .map((name) => ({ name, distance: distanceOf(word.toLowerCase(), name) }))
    .toSorted((a, b) => a.distance - b.distance)[0];
  const meant = near !== undefined && near.distance <= 2 ? ` Did you mean "${near.name}"?` : '';
  return mistake(`There is no command "${word}".${meant}`);
}

/** How many characters have to be inserted, deleted or replaced to get from one word to another. */
function distanceOf(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const character of from.slice(0, 32)) {
    const next = [row[0]! + 1];
    for (let j = 0; j < to.length; j++) {
      const replaced = row[j]! + (character === to[j] ? 0 : 1);
      next.push(Math.min(replaced, row[j + 1]! + 1, next[j]! + 1));
    }
    row = next;
  }
  return row[to.length]!;
}

function mistake(message: string, of: CommandName | 'vmemd' = 'vmemd'): Request {
  return { command: 'mistake', message, of };
}
