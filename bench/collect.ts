/**
 * Loaded into a service whose memory is measured: at SIGUSR2 it lets go of what it does not need any
 * more, so that what is left is what it keeps. Node has to be started with --expose-gc.
 */
import { isMainThread } from 'node:worker_threads';

if (isMainThread) process.on('SIGUSR2', () => globalThis.gc?.());
