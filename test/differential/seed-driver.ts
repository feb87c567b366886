/**
 * The seed as a process that answers lines: one line per request, one line back. The lines are those
 * of a trace without their answers; it says `ok` to `c`, `s` and `f`, an address or `-` to `a` and
 * `x`, and the fields of the trace's line to a bare `d` or `z`. A request that it dies of is told
 * apart from one that it refuses, and the process is started anew and brought to the state before.
 */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { createInterface } from 'node:readline';

interface Running {
  readonly process: ChildProcessWithoutNullStreams;
  readonly lines: AsyncIterator<string>;
}

export class SeedDriver {
  readonly #path: string;
  /** The lines that made the state, for the next start. */
  readonly #history: string[] = [];
  #running: Running | undefined;

  /** `path` is an executable. `stdbuf` must be at hand: it makes the driver answer line by line. */
  constructor(path: string) {
    this.#path = path;
  }

  /** The answer to one line; undefined where the seed died of it, which changed nothing. */
  async ask(line: string): Promise<string | undefined> {
    this.#running ??= await this.#start();
    const answer = await exchange(this.#running, line);
    if (answer === undefined) this.#running = undefined;
    else if (line !== 'd' && line !== 'z') this.#history.push(line);
    return answer;
  }

  stop(): void {
    this.#running?.process.stdin.end();
    this.#running = undefined;
  }

  async #start(): Promise<Running> {
    const process = spawn('stdbuf', ['-oL', this.#path], { stdio: 'pipe' });
    // Dying of an assertion closes the pipe under a write, and prints the assertion: both expected.
    process.stdin.on('error', () => {});
    process.stderr.resume();
    const lines = createInterface({ input: process.stdout })[Symbol.asyncIterator]();
    const running = { process, lines };
    for (const line of this.#history) {
      const answer = await exchange(running, line);
      if (answer === undefined) throw new Error(`the seed died of ${line}, which it answered once`);
    }
    return running;
  }
}

async function exchange({ process, lines }: Running, line: string): Promise<string | undefined> {
  process.stdin.write(`${line}\n`);
  const { value, done } = await lines.next();
  return done === true ? undefined : value;
}
