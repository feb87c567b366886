/** The parts of a simulated service that a test can replace by ones with a fault. */
import type { Engine } from '../../src/engine/engine.ts';
import { Sequencer, type SequencerOptions } from '../../src/sequencer.ts';
import { Checkpointer } from './checkpointer.ts';
import type { Disk } from './disk.ts';
import { FaultyJournal } from './faulty-journal.ts';

export interface Parts {
  sequencer(engine: Engine, journal: FaultyJournal, options: SequencerOptions): Sequencer;
  journal(disk: Disk): FaultyJournal;
  checkpointer(disk: Disk): Checkpointer;
}

/** The ones that are under test. */
export const realParts: Parts = {
  sequencer: (engine, journal, options) => new Sequencer(engine, journal, options),
  journal: (disk) => new FaultyJournal(disk),
  checkpointer: (disk) => new Checkpointer(disk),
};
