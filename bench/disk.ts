/** What the disk takes to make 4 KiB durable, in milliseconds. */
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { median } from './clock.ts';

const WRITES = 50;
const BYTES = 4096;

/** The median of so many writes at the end of a file in `directory`. */
export async function syncTime(directory: string): Promise<number> {
  const path = join(directory, 'sync');
  const file = await open(path, 'w');
  const times: number[] = [];
  for (let i = 0; i < WRITES; i++) {
    await file.write(Buffer.alloc(BYTES), 0, BYTES, i * BYTES);
    const before = performance.now();
    await file.datasync();
    times.push(performance.now() - before);
  }
  await file.close();
  await rm(path);
  return median(times);
}
