/** The engine against the naive model, by random commands: arenas that stand alone. */
import { describe } from 'vitest';
import { testShapes } from './sessions.ts';
import { plainShapes } from './shape.ts';

describe('engine and model agree', () => {
  testShapes(plainShapes);
});
