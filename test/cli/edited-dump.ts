/** Dumps of a state with a bit of everything, as text, and with lines that were changed. */
import { Readable } from 'node:stream';
import { linesOf } from '../../src/cli/dump.ts';
import { loadDump } from '../../src/cli/load.ts';
import { Progress } from '../../src/cli/progress.ts';
import { Engine } from '../../src/engine/engine.ts';
import { mixedCommands } from './shell.ts';

/** An engine after the commands that `fill` gives. */
export function mixedEngine(): Engine {
  const engine = new Engine();
  for (const command of mixedCommands) {
    const outcome = engine.decide(command);
    if ('refused' in outcome) throw new Error(outcome.detail);
    engine.apply(outcome, engine.revision + 1);
  }
  return engine;
}

export function textOf(engine: Engine): string {
  return Array.from(linesOf(engine), (line) => `${JSON.stringify(line)}\n`).join('');
}

export async function engineOf(text: string | Readable, edited = false): Promise<Engine> {
  const engine = new Engine();
  const input = typeof text === 'string' ? Readable.from([Buffer.from(text)]) : text;
  await loadDump(input, engine, { edited, progress: new Progress(process.stderr) });
  return engine;
}

export type Line = Record<string, any>;

/** The dump of the mixed state with its lines changed; `at` finds a line. */
export function edited(
  change: (lines: Line[], at: (...fields: [string, unknown][]) => number) => void,
) {
  const lines = textOf(mixedEngine())
    .split('\n')
    .slice(0, -1)
    .map((text) => JSON.parse(text) as Line);
  change(lines, (...fields) => {
    const index = lines.findIndex((line) => fields.every(([name, value]) => line[name] === value));
    if (index === -1) throw new Error(`no line has ${JSON.stringify(fields)}`);
    return index;
  });
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
}

export function at64(line: Line, address: string): Line {
  const { end: _end, cidr: _cidr, ...rest } = line;
  return { ...rest, address };
}
