/** The proxy: takes connections of programs that speak SOCKS5 or HTTP CONNECT, both on one port, and carries each over a connection of its own to the relay. */

import { ESTABLISHED, HttpError, readConnect, refusal } from "./http_connect.ts";
import { type After, Places, systemAfter, within } from "./limits.ts";
import type { Done } from "./relay_server.ts";
import { readSocks, REPLIES, SOCKS_VERSION, SocksError, socksReply } from "./socks.ts";
import { type ByteStream, type Carried, carryBoth, Head, ProtocolError } from "./stream.ts";
import { Strangers } from "./strangers.ts";
import { asTargetError, type Outcome, type Target, TargetError } from "./target.ts";
import type { Opened, Upstream } from "./upstream.ts";

/** How a proxy is made. */
export interface ProxyOptions<Stream extends ByteStream> {
  /** What connects to targets. */
  readonly upstream: Upstream<Stream>;
  /** Connects to the target without a relay; null: the relay is to do it. */
  readonly direct?: (target: Target) => Promise<Stream | null>;
  /** Most connections at once that have said what they want, and as many that have not. */
  readonly most: number;
  /** Milliseconds in which a program has to say what it wants. */
  readonly handshakeTimeout: number;
  /** Told of each connection once it carries bytes; `direct`: it goes to the target itself. The result is told when it is over. */
  readonly begun?: (target: Target, stream: Stream, direct: boolean) => void;
  /** Told of each connection when it is over. */
  readonly done?: (done: Done, stream: Stream | null) => void;
  /** Times of the handshakes. */
  readonly after?: After;
}

/** What a program speaks: how it is told. */
interface Dialect {
  readonly target: Target;
  readonly connected: Uint8Array;
  refused(outcome: Exclude<Outcome, "connected">, message: string): Uint8Array;
}

/** Reads what a program wants, in either dialect: SOCKS begins with an octet that no HTTP request begins with. */
async function hearProgram(head: Head, stream: ByteStream): Promise<Dialect> {
  const first = await head.next(
    ([octet]) => octet === undefined ? null : { value: octet, length: 0 },
    1,
  );
  // 4 is SOCKS's, too, and told by its reader that it is not spoken.
  if (first <= SOCKS_VERSION) {
    const target = await readSocks(head, (bytes) => stream.write(bytes));
    return {
      target,
      connected: socksReply(REPLIES.connected),
      refused: (outcome) => socksReply(REPLIES[outcome]),
    };
  }
  return { target: await readConnect(head), connected: ESTABLISHED, refused: refusal };
}

/** Milliseconds, and bytes, that a program which is refused may go on for. */
const LAST_WORDS = 1000;
const LAST_BYTES = 1 << 20;

async function drain(stream: ByteStream): Promise<void> {
  const buffer = new Uint8Array(65536);
  for (let bytes = 0; bytes < LAST_BYTES;) {
    const count = await stream.read(buffer);
    if (count === null) return;
    bytes += count;
  }
}

/** A proxy, whatever its connections come by. */
export class ProxyServer<Stream extends ByteStream> {
  readonly #options: ProxyOptions<Stream>;
  readonly #places: Places;
  readonly #strangers: Strangers;

  /** Makes one that serves nobody yet. */
  constructor(options: ProxyOptions<Stream>) {
    this.#options = options;
    this.#places = new Places(options.most);
    this.#strangers = new Strangers(options.most);
  }

  /** Connections under way. */
  get connections(): number {
    return this.#places.taken + this.#strangers.taken;
  }

  /** Serves one program, at the address `from`, to its end; never rejects. */
  async serve(program: ByteStream, from: string): Promise<void> {
    const start = performance.now();
    const carried: Carried = { up: 0, down: 0 };
    let leave: (() => void) | null = null;
    let target: Target | null = null;
    let outcome: Done["outcome"] = "hostile";
    let error: string | null = null;
    let stream: Stream | null = null;
    try {
      const { handshakeTimeout, after = systemAfter, begun } = this.#options;
      const head = new Head(program);
      const dialect = await this.#strangers.hear(
        from,
        hearProgram(head, program),
        handshakeTimeout,
        after,
        [
          "the program did not say in time what it wants",
          "others came while the program had not said what it wants",
        ],
      );
      target = dialect.target;
      leave = this.#places.take();
      const opened = await this.#open(target, leave !== null).catch(async (error) => {
        const failure = asTargetError(error);
        await program.write(dialect.refused(failure.outcome as never, failure.message));
        throw failure;
      });
      stream = opened.stream;
      outcome = "connected";
      begun?.(target, stream, opened.direct);
      await program.write(dialect.connected);
      await carryBoth(program, stream, head.rest, opened.rest, carried);
    } catch (thrown) {
      error = thrown instanceof Error ? thrown.message : String(thrown);
      if (thrown instanceof TargetError) outcome = thrown.outcome;
      await this.#refuse(program, thrown);
      stream?.abort(thrown);
    } finally {
      leave?.();
    }
    const seconds = (performance.now() - start) / 1000;
    this.#options.done?.({ target, outcome, error, seconds, ...carried }, stream);
  }

  /** Tells a program that has said something wrong, and lets go of it. */
  async #refuse(program: ByteStream, thrown: unknown): Promise<void> {
    const reply = thrown instanceof SocksError
      ? thrown.reply
      : thrown instanceof HttpError
      ? thrown.answer
      : null;
    if (reply === null && !(thrown instanceof TargetError)) return program.abort(thrown);
    try {
      if (reply !== null && reply.length > 0) await program.write(reply);
      await program.closeWrite();
      // What it still says is heard, for a moment: what is not read would turn the end into a reset, and the answer be lost.
      const { after = systemAfter } = this.#options;
      await within(LAST_WORDS, after, drain(program), () => new ProtocolError("it goes on"));
      program.close();
    } catch {
      program.abort(thrown);
    }
  }

  /** A connection that ends at the target. */
  async #open(target: Target, place: boolean): Promise<Opened<Stream> & { direct: boolean }> {
    if (!place) throw new TargetError("busy", "the proxy has as many connections as it takes");
    const straight = await this.#options.direct?.(target) ?? null;
    if (straight !== null) return { stream: straight, rest: new Uint8Array(), direct: true };
    return { ...await this.#options.upstream.open(target), direct: false };
  }
}
