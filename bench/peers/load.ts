/**
 * The process of the clients of one peer. It is told over the channel to whoever started it when to
 * run, and with how many of the clients.
 */
import { peers } from './all.ts';
import { Holders, type Load, type Run } from './holders.ts';

export interface LoadOptions {
  readonly peer: string;
  readonly address: string;
  /** Connections; a run may use fewer. */
  readonly clients: number;
  readonly pool: number;
  /** How many numbers are held while nobody asks. */
  readonly held: number;
}

/** To whoever started it: first `ready`, then a load for each run; or why there is none. */
export type Message =
  { readonly ready: true } | { readonly load: Load } | { readonly failure: string };

function tell(message: Message): void {
  process.send!(message);
}

async function attempt(work: () => Promise<Message>): Promise<void> {
  try {
    tell(await work());
  } catch (error) {
    tell({ failure: error instanceof Error ? error.message : String(error) });
  }
}

async function serve({ address, clients, pool, held, ...options }: LoadOptions): Promise<void> {
  process.once('disconnect', () => process.exit(0));
  await attempt(async () => {
    const { peer } = await peers[options.peer]!.load();
    const holders = new Holders(await peer.connect(address, clients, pool), pool);
    process.on('message', (run: Run) => {
      void attempt(async () => ({ load: await holders.run(run) }));
    });
    await holders.fill(held);
    return { ready: true };
  });
}

await serve(JSON.parse(process.argv[2] ?? '') as LoadOptions);
