/**
 * The command line of a benchmark, as every kind reads it: its options, its help, and what is said
 * where it can't be understood or done.
 */
import { statSync } from 'node:fs';
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { Missing } from './missing.ts';

/** What was asked could not be understood; the message says what to do instead. */
export class Mistake extends Error {}

type Config = NonNullable<ParseArgsConfig['options']>;

/** The values of options. Throws {@link Mistake} where there are others, or words besides them. */
export function valuesOf<const O extends Config>(words: readonly string[], options: O) {
  try {
    return parseArgs({ args: [...words], options }).values;
  } catch (error) {
    throw new Mistake(error instanceof Error ? error.message : String(error));
  }
}

/** A positive integer. Throws {@link Mistake}. */
export function count(name: string, text: string, most?: number): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0 && value <= (most ?? value)) return value;
  const bound = most === undefined ? 'as 1000 or 1e3' : `up to ${most}`;
  throw new Mistake(`--${name} takes a positive integer, ${bound}, not "${text}".`);
}

/** Seconds above 0, up to an hour. Throws {@link Mistake}. */
export function seconds(name: string, text: string): number {
  const value = Number(text);
  if (value > 0 && value <= 3600) return value;
  throw new Mistake(`--${name} takes a number above 0, up to 3600, not "${text}".`);
}

/** A directory that is there. Throws {@link Mistake}. */
export function directory(name: string, path: string): string {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return path;
  throw new Mistake(`--${name} takes a directory that is there, not "${path}".`);
}

/** Does what was asked, which says with which exit code it ended; or tells why it can't, with 2. */
export async function answer(help: string, asked: () => Promise<number>): Promise<number> {
  try {
    return await asked();
  } catch (error) {
    if (error instanceof Mistake) process.stderr.write(`bench: ${error.message}\n\n${help}`);
    else if (error instanceof Missing) process.stderr.write(`bench: ${error.message}\n`);
    else throw error;
    return 2;
  }
}

/** Shows the help. */
export function helped(help: string): number {
  process.stdout.write(help);
  return 0;
}

/** Options of a benchmark that shows a table, and can keep it. */
export const reporting = {
  markdown: { type: 'boolean' },
  json: { type: 'string' },
  from: { type: 'string' },
  results: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

export interface Reporting {
  readonly markdown: boolean;
  readonly json?: string;
  readonly from?: string;
  /** Where the committed table and plots go; absent for runs that are not the whole. */
  readonly results?: string;
}

/** What {@link reporting} gives. */
interface ReportingValues {
  readonly markdown?: boolean | undefined;
  readonly json?: string | undefined;
  readonly from?: string | undefined;
  readonly results?: string | undefined;
}

const RESULTS = new URL('results/', import.meta.url).pathname;

/** What was asked of the table; `isPart` says whether less than the whole is measured. */
export function reportingOf(
  { markdown, json, from, results }: ReportingValues,
  isPart: boolean,
): Reporting {
  const folder = results ?? (isPart ? undefined : RESULTS);
  return {
    markdown: markdown === true,
    ...(json !== undefined && { json }),
    ...(from !== undefined && { from }),
    ...(folder !== undefined && { results: folder }),
  };
}
