/**
 * How the tests run: one file more at a time than there are processors, because some wait for a process
 * or a time; in processes that go from one file to the next and keep what they have loaded. The files
 * that take longest come first, or the last of them would run alone.
 *
 * The tests start many threads and processes of the service, each of which would strip and compile
 * the same files again. Node keeps what it has compiled, by content, in the folder that is named
 * here; it reads the variable when a process starts, so it is set before there are any.
 */
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

process.env['NODE_COMPILE_CACHE'] ??= join(tmpdir(), 'node-compile-cache');

/** What takes longer hangs, on however slow and busy a machine. */
const hangMs = 60_000;

/** What takes longest, the longest first. */
const long = [
  'campaign/campaign',
  'model/model',
  'model/model-chain',
  'model/model-extreme',
  'crash/kill',
  'cli/backup',
  'examples',
  'http/process',
  'model/determinism',
  'bench-scale',
  'journal/sqlite',
  'journal/checkpoint',
  'differential/differential',
  'journal/damage',
  'book/thread',
  'crash/split',
  'bench',
  'crash/lease',
  'http/fuzz',
  'journal/data-directory',
  'crash/import',
  'crash/events',
  'history/recorder',
  'http/allocation-list',
  'cli/verify',
  'readme',
  'http/events',
  'cli/dump',
].map((name) => `/test/${name}.test.ts`);

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const at = long.findIndex((name) => moduleId.endsWith(name));
      return at < 0 ? long.length : at;
    };
    return files.toSorted((a, b) => place(a) - place(b));
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    isolate: false,
    // Node loads the files itself, as it does in the service: nothing is rewritten, which takes long, and
    // what was compiled once is found again.
    experimental: { viteModuleRunner: false },
    maxWorkers: availableParallelism() + 1,
    testTimeout: hangMs,
    hookTimeout: hangMs,
    sequence: { sequencer: LongestFirst },
  },
});
