/**
 * One HTTP connection with one request under way at a time, as little of HTTP as a load needs: the
 * machine's two processors are for the service, not for the one who measures it. It reads replies
 * with a Content-Length or without a body, and connects again when the service hangs up.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface Reply {
  readonly status: number;
  readonly body: string;
}

interface Waiting {
  resolve(reply: Reply): void;
  reject(error: Error): void;
}

export class Connection {
  readonly #host: string;
  readonly #port: number;
  #socket: Socket;
  #waiting: Waiting | undefined;
  #received = '';

  private constructor(host: string, port: number, socket: Socket) {
    this.#host = host;
    this.#port = port;
    this.#socket = socket;
    this.#listen();
  }

  static async open(url: string): Promise<Connection> {
    const { hostname, port } = new URL(url);
    return new Connection(hostname, Number(port), await connected(hostname, Number(port)));
  }

  /** Sends a request with a JSON body; rejects where the connection breaks. */
  post(path: string, body: unknown): Promise<Reply> {
    return this.ask('POST', path, body);
  }

  /** The body of the answer; rejects where that is an error. */
  async asked(method: string, path: string, body?: unknown): Promise<string> {
    const reply = await this.ask(method, path, body);
    if (reply.status < 400) return reply.body;
    throw new Error(`${method} ${path} is answered ${reply.status}: ${reply.body}`);
  }

  /** Sends a request, with a JSON body where one is given. */
  async ask(method: string, path: string, body?: unknown): Promise<Reply> {
    if (this.#socket.destroyed) {
      this.#socket = await connected(this.#host, this.#port);
      this.#listen();
    }
    const text = body === undefined ? '' : JSON.stringify(body);
    const type = body === undefined ? '' : 'Content-Type: application/json\r\n';
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(
        `${method} ${path} HTTP/1.1\r\nHost: ${this.#host}\r\n${type}` +
          `Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
      );
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #listen(): void {
    const socket = this.#socket;
    socket.setNoDelay(true).setEncoding('latin1');
    socket.on('data', (text: string) => this.#receive(text));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('The service hung up.')));
  }

  #receive(text: string): void {
    this.#received += text;
    const head = this.#received.indexOf('\r\n\r\n');
    if (head < 0) return;
    const headers = this.#received.slice(0, head);
    const length = Number(/\r\ncontent-length: ([0-9]+)/i.exec(headers)?.[1] ?? 0);
    const end = head + 4 + length;
    if (this.#received.length < end) return;
    const body = this.#received.slice(head + 4, end);
    this.#received = '';
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (/\r\nconnection: close/i.test(headers)) this.#socket.destroy();
    waiting?.resolve({ status: Number(headers.slice(9, 12)), body });
  }

  #fail(error: Error): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(error);
  }
}

async function connected(host: string, port: number): Promise<Socket> {
  const socket = connect({ host, port });
  await once(socket, 'connect');
  return socket;
}
