/**
 * The request as it comes from the socket. Its body is nearly always short, and here as soon as the
 * headers are; but to read it as a stream takes listeners, promises and a turn of their queue. So
 * whoever wants the whole body is given the pieces as the parser of HTTP has them.
 */
import { errorCodes } from 'fastify';
import { Readable } from 'node:stream';
import { http } from '../node-http.ts';

/** Called once: with the whole body, or with why there is none. */
export type Taker = (body: Buffer | Error) => void;

export class TakenRequest extends http.IncomingMessage {
  #taker: Taker | undefined;
  #lengthMax = 0;
  #length = 0;
  /** Absent until the body is asked for. */
  #pieces: Buffer[] | undefined;

  static {
    // What has been taken is at its end, though the stream has not told anybody.
    const { get } = Object.getOwnPropertyDescriptor(Readable.prototype, 'readableEnded')!;
    Object.defineProperty(this.prototype, 'readableEnded', {
      get(this: TakenRequest): boolean {
        const taken = this.#pieces !== undefined && this.complete;
        return taken || (get!.call(this) as boolean);
      },
    });
  }

  /** Gives all of the body to `taker`, unless there are more than `lengthMax` bytes of it. */
  takeBody(lengthMax: number, taker: Taker): void {
    this.#taker = taker;
    this.#lengthMax = lengthMax;
    this.#pieces = [];
    // What came before this; and to have read something spares the stream being read out in the end.
    const early = this.read() as Buffer | null;
    if (early !== null) this.#add(early);
    if (this.complete) this.#end();
  }

  /** Called by the parser, with null at the end. */
  override push(piece: Buffer | null, encoding?: BufferEncoding): boolean {
    if (this.#pieces === undefined) return super.push(piece, encoding);
    if (piece === null) this.#end();
    else this.#add(piece);
    return true;
  }

  override ['_destroy'](error: Error | null, done: (error?: Error | null) => void): void {
    super['_destroy'](error, (failure) => {
      done(failure);
      // Most have been told, and an error is not made for nobody.
      if (this.#taker !== undefined)
        this.#tell(new errorCodes.FST_ERR_CTP_INVALID_CONTENT_LENGTH());
    });
  }

  #add(piece: Buffer): void {
    // Of what is too long the rest is dropped.
    if (this.#taker === undefined) return;
    this.#length += piece.length;
    if (this.#length <= this.#lengthMax) this.#pieces!.push(piece);
    else this.#tell(new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE());
  }

  #end(): void {
    const pieces = this.#pieces!;
    this.#tell(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces));
  }

  #tell(body: Buffer | Error): void {
    const taker = this.#taker;
    this.#taker = undefined;
    this.#pieces = [];
    taker?.(body);
  }
}
