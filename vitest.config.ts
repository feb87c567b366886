/**
 * How the tests run: as many files at a time as there are processors, in processes that go from one
 * file to the next and keep what they have loaded.
 *
 * The tests start many threads and processes of the service, each of which would strip and compile
 * the same files again. Node keeps what it has compiled, by content, in the folder that is named
 * here; it reads the variable when a process starts, so it is set before there are any.
 */
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

process.env['NODE_COMPILE_CACHE'] ??= join(tmpdir(), 'node-compile-cache');

/** What takes longer hangs, on however slow and busy a machine. */
const hangMs = 60_000;

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    isolate: false,
    maxWorkers: Math.max(2, availableParallelism()),
    testTimeout: hangMs,
    hookTimeout: hangMs,
  },
});
