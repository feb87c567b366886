/**
 * A client of server-sent events over a real connection, as the HTML standard has it: it reads the
 * stream block by block, dispatches those with data, and remembers the last id of any. It can stop
 * reading, which fills the socket.
 */
import { request, type ClientRequest, type IncomingMessage } from 'node:http';

export interface Received {
  readonly id: string;
  readonly type: string;
  readonly data: any;
}

export class EventClient {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** The whole body of an answer that is no stream. */
  body: any;
  lastId = '';
  /** Blocks without data. */
  readonly beats: string[] = [];
  readonly received: Received[] = [];
  /** Resolves when the answer has ended or broken off: whether it ended in order. */
  readonly ended: Promise<boolean>;
  readonly #request: ClientRequest;
  readonly #response: IncomingMessage;
  #wake: (() => void)[] = [];
  #text = '';
  #over = false;

  private constructor(sent: ClientRequest, response: IncomingMessage) {
    this.#request = sent;
    this.#response = response;
    this.status = response.statusCode ?? 0;
    this.headers = response.headers;
    const stream = this.headers['content-type'] === 'text/event-stream';
    response.setEncoding('utf8');
    response.on('data', (text: string) => {
      this.#text += text;
      if (stream) this.#takeBlocks();
    });
    sent.on('error', () => undefined);
    this.ended = new Promise((resolve) => {
      const end = (): void => {
        if (!stream && this.#text !== '') this.body = JSON.parse(this.#text);
        this.#over = true;
        resolve(response.complete);
        this.#wakeAll();
      };
      response.once('end', end).once('error', end).once('close', end);
    });
  }

  static open(
    url: string,
    path: string,
    headers: Record<string, string> = {},
  ): Promise<EventClient> {
    return new Promise((resolve, reject) => {
      const sent = request(`${url}${path}`, { headers, agent: false });
      sent.once('error', reject);
      sent.once('response', (response) => resolve(new EventClient(sent, response)));
      sent.end();
    });
  }

  /** Waits until so many events were received, or the stream has ended. */
  async until(count: number): Promise<Received[]> {
    await this.when(() => this.received.length >= count);
    return this.received;
  }

  async when(condition: () => boolean): Promise<void> {
    while (!condition() && !this.#over) {
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  /** Reads no more, until `resume`. */
  pause(): void {
    this.#response.pause();
  }

  resume(): void {
    this.#response.resume();
  }

  close(): void {
    this.#request.destroy();
  }

  #takeBlocks(): void {
    const blocks = this.#text.split('\n\n');
    this.#text = blocks.pop() ?? '';
    for (const block of blocks) this.#take(block);
    this.#wakeAll();
  }

  #take(block: string): void {
    let [type, data] = ['message', ''];
    for (const line of block.split('\n')) {
      const [, field, value = ''] = /^([a-z]*)(?:: ?(.*))?$/.exec(line) ?? [];
      if (field === 'id') this.lastId = value;
      else if (field === 'event') type = value;
      else if (field === 'data') data += value;
      else if (field !== '') throw new Error(`no line of a stream: ${line}`);
    }
    if (data === '') this.beats.push(block);
    else this.received.push({ id: this.lastId, type, data: JSON.parse(data) });
  }

  #wakeAll(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}
