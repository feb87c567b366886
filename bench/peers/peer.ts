/**
 * Something that hands out numbers, as a user would build it: a server, and clients of it that each
 * hold a connection. One number is one call of the client library (more only where a compare-and-swap
 * has lost), and a call returns when what it did is durable.
 */
export interface Peer {
  /** Starts the server. Throws Missing where its program is not installed. */
  start(setting: Setting): Promise<Served>;
  /** So many clients, in another process than `start`. Numbers are from 0 to below `pool`. */
  connect(address: string, clients: number, pool: number): Promise<Clients>;
}

export interface Setting {
  /** Exists, is empty and belongs to this server alone. */
  readonly directory: string;
  /** As many will connect. */
  readonly clients: number;
  readonly pool: number;
}

export interface Served {
  /** What `connect` takes. */
  readonly address: string;
  /** Name and version. */
  readonly version: string;
  /** Seconds of processors that the server's processes have taken; 0 where it has none of its own. */
  cpuSeconds(): Promise<number>;
  /** Ends it. */
  stop(): Promise<void>;
}

export interface Clients {
  readonly each: readonly Client[];
  /** Seconds of processors that the server has taken, where it is a thread of this process. */
  readonly serverCpuSeconds?: () => Promise<number>;
  /** How many numbers are held, as the server knows it. */
  held(): Promise<number>;
  close(): Promise<void>;
}

export interface Client {
  /** A number that nobody holds. Rejects where there is none. */
  grant(): Promise<number>;
  free(number: number): Promise<void>;
}
