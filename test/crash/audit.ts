/**
 * The audit of a running service: reads its whole state and holds it against itself and against
 * the ledger of what was asked and answered. What was open is settled by it.
 */
import { Client } from './client.ts';
import type { Ledger } from './ledger.ts';
import { incoherences, readState, type State } from './state.ts';

/** The first few are enough to see what is wrong; one fault often shows a hundred times. */
const problemsMax = 10;

/** Nobody may change anything meanwhile. Throws an Error that lists the problems, if any. */
export async function audit(url: string, ledger: Ledger): Promise<State> {
  const client = new Client(url);
  try {
    const state = await readState(client);
    const problems = [...incoherences(state), ...ledger.contradictions(state)];
    if (problems.length > 0) {
      const shown = problems.slice(0, problemsMax).map((problem) => `- ${problem}`);
      throw new Error(`${problems.length} problems\n${shown.join('\n')}`);
    }
    ledger.settle(state);
    return state;
  } finally {
    client.close();
  }
}
