/**
 * How much V8's optimising compiler inlines, for the whole process. Taking a block and giving it back
 * are chains of small functions over typed arrays, and by default the compiler stops inlining such a
 * chain half-way: a call that is left costs about as much as what it does. With these bounds a pair in
 * an arena of a thousand blocks takes a quarter less time (`npm run bench -- engine`).
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
