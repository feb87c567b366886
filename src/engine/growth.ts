/**
 * How the engine's arrays grow. Small ones by half, since a copy is cheap. One of a few megabytes
 * jumps to 64 times its size: memory that was never touched costs nothing, since the system backs it
 * with pages only when they are first written, while copying a large array would hold up every
 * request for as long as it takes.
 */
const LARGE_BYTES = 8 << 20;
const HUGE_BYTES = 512 << 20;

/** The next capacity of an array of `length` elements of `bytes` each that is full. */
export function growth(length: number, bytes: number): number {
  const large = length * bytes >= LARGE_BYTES && length * bytes < HUGE_BYTES;
  return large ? length * 64 : length + (length >>> 1) + 1;
}
