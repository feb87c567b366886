/**
 * Every bound at the edge of the service, with its reason. A bound that clients can meet is also in
 * the OpenAPI document. Sizes are in bytes, times in milliseconds unless the name says otherwise.
 */
import { HOLDINGS_MAX } from './engine/leases.ts';

export const limits = {
  /** 2^128 has 39 decimal digits. Checked before BigInt(), whose cost grows with the square. */
  decimalDigitsMax: 39,
  /** 2^128 has 33 hexadecimal digits. */
  hexDigitsMax: 33,
  /** The longest text of an address: IPv6 with an embedded IPv4 part has 45 characters. */
  addressCharactersMax: 45,
  /** Two such addresses and a hyphen. */
  rangeCharactersMax: 91,
  /** A DNS name's worth of hierarchy (`team-a.region.pods`) that still fits a log line. */
  arenaNameCharactersMax: 128,
  /** As many as a person can survey; the same order as in Kubernetes and the clouds. */
  labelsMax: 64,
  labelKeyCharactersMax: 63,
  labelValueCharactersMax: 255,
  ownerCharactersMax: 255,
  externalIdCharactersMax: 255,
  /** A createArena with more than this many spans would hold up the other requests. */
  spansPerRequestMax: 1000,
  /** All pieces of a split are in its answer, as many as in a page. */
  splitPiecesMax: 1000,
  /** As many as a split may have led to. */
  mergePartsMax: 1000,
  /** Each request without a band looks into every gap between the exclusive ones. */
  bandsMax: 16,
  /** All of them are in each representation of the arena; who is like all others needs none. */
  ownerLimitsMax: 256,
  /** A page is built between two other requests: 1000 items take about a millisecond. */
  pageItemsMax: 1000,
  pageItemsDefault: 100,
  /** Allocations looked at for one page of a filtered list, for the same reason. */
  pageScanMax: 20_000,
  /** Free segments, and segments of sources, looked at to count what fits: some milliseconds. */
  fitsScanMax: 20_000,
  /** Longer than any cursor that is handed out: one that stands at an owner has up to 1400. */
  cursorCharactersMax: 1_536,
  /** Filters by label in one query; each is compared with every allocation looked at. */
  labelFiltersMax: 16,
  /** As long as the usual load balancers let a connection be idle. */
  waitSecondsMax: 60,
  /** Requests that wait for room, all arenas together: a few kilobytes and a connection each. */
  waitersMax: 10_000,
  keepSpansMax: 1_000_000,
  /** One year. */
  releaseAfterSecondsMax: 31_536_000,
  /** One year. What lasts longer is no lease. */
  ttlSecondsMax: 31_536_000,
  /** All of them are freed at once when it ends, which must hold up nobody. */
  allocationsPerLeaseMax: HOLDINGS_MAX,
  quarantineSecondsMax: 31_536_000,
  /** One event ends so many rests at most: deciding, applying and writing it takes about 2 ms. */
  restsPerEventMax: 500,
  /** The largest valid request, a createArena with 1000 spans and 64 labels, is below 200 KiB. */
  bodyBytesMax: 1_048_576,
  /** All of a batch is decided in one turn of the event loop, and is one record of the journal. */
  operationsMax: 10_000,
  /** Pieces of splits and parts of merges in one batch: each is about an operation's work. */
  batchPiecesMax: 10_000,
  /** So many operations with an owner and a few constraints each. */
  batchBytesMax: 4_194_304,
  /** Errors listed in one reply, so that a reply to garbage stays small. */
  errorsMax: 20,
  /** Characters of a client's own field name that are repeated in an error. */
  echoCharactersMax: 128,
  /** As long as other services take; clients mostly send a UUID. */
  idempotencyKeyCharactersMax: 255,
  /** They are held in memory, 40 to 80 bytes each, and on disk, half a KiB each. */
  idempotencyKeysMax: 20_000_000,
  /** Shorter bearer tokens can be guessed. */
  tokenCharactersMin: 16,
  /** Every token is compared with every request's. */
  tokensMax: 1000,
  /** A request that isn't here after this time is a stuck or a malicious sender. */
  requestTimeoutMs: 10_000,
  /**
   * A connection on which nothing moves: chiefly a client that does not read its reply. Where a
   * request waits for room, that time comes before.
   */
  connectionTimeoutMs: 30_000,
  headersTimeoutMs: 5_000,
  /** Longer than the idle time of the usual load balancers (60 s), so that they hang up first. */
  keepAliveTimeoutMs: 65_000,
  /** How often the two request time-outs above are enforced. */
  connectionsCheckingIntervalMs: 1_000,
  /** Lets a load balancer spread long-lived connections again after a scale-out. */
  requestsPerConnectionMax: 10_000,
  /** More than may wait for room: whoever frees something needs a connection too. */
  connectionsMax: 15_000,
  /** Streams of events at a time: whatever happens is written to every one of them. */
  eventStreamsMax: 256,
  /** Half of connectionTimeoutMs, so that a stream on which nothing happens is not taken for stuck. */
  eventHeartbeatMs: 15_000,
  /** Text of a stream that is written at once; a reader that is slow has this much under way. */
  eventChunkCharactersMax: 16_384,
  /** Events written as text in one turn of the loop, for all streams: about half a millisecond. */
  eventsPerTurnMax: 64,
  /** How often streams are told that there is more: of many changes they make one write. */
  eventWakeMs: 20,
  /** Records kept in memory for streams: some seconds of a busy service … */
  feedRecordsMax: 8_192,
  /** … unless these have more text. */
  feedCharactersMax: 4_194_304,
  /** Arenas that were destroyed and whose notation is remembered for streams. */
  formerArenasMax: 10_000,
  /** Questions to the history that wait for its thread: a second of work of that, and more. */
  historyWaitingMax: 1_000,
  /**
   * Where less is free on the disk, the history is not written on: what is left is for the journal, which
   * has room there for some 100,000 records.
   */
  historyFreeBytesMin: 32 * 1024 * 1024,
  /** While the history is being made a question waits for so long. */
  historyWaitMs: 10_000,
  /** A stream that is still being written when the service stops has this long to end in order. */
  eventGraceMs: 1_000,
  portMax: 65_535,
  /** Beyond any disk this is meant for: what is larger is a slip of the pen. */
  checkpointMibMax: 1_048_576,
  historyMibMax: 1_048_576,
  /** A century. */
  historyDaysMax: 36_500,
} as const;
