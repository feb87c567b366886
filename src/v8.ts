/**
 * What V8 is told, for the whole process.
 *
 * How much its optimising compiler inlines: taking a block and giving it back are chains of small
 * functions over typed arrays, and by default the compiler stops inlining such a chain half-way: a
 * call that is left costs about as much as what it does. With these bounds a pair in an arena of a
 * thousand blocks takes a quarter less time (`npm run bench -- engine`).
 *
 * And who collects what was short-lived: the thread that made it, alone. Hardly any of it is alive by
 * then, so that helpers find little to do; but they have to be woken, and where the processors are
 * busy with clients and the journal, the thread waits for one that has not got its turn.
 */
import { setFlagsFromString } from 'node:v8';

/** Bytes of bytecode that one function may take in altogether, and of each that it takes in. */
const bytesInAll = 5000;
const bytesEach = 1500;
/** Calls per run of the caller from which on inlining is worth the while. */
const frequency = 0.005;

setFlagsFromString(`--max-inlined-bytecode-size-cumulative=${bytesInAll}`);
setFlagsFromString(`--max-inlined-bytecode-size=${bytesEach}`);
setFlagsFromString(`--min-inlining-frequency=${frequency}`);
setFlagsFromString('--no-parallel-scavenge');
