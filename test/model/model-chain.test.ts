/** The engine against the naive model, by random commands: arenas that import from others. */
import { describe } from 'vitest';
import { testShapes } from './sessions.ts';
import { chainShapes } from './shape.ts';

describe('engine and model agree', () => {
  testShapes(chainShapes);
});
