/** How a proxy comes to a connection that ends at a target: through what stands upstream of it. */

import { askRelay } from "./handshake.ts";
import type { SharedKey } from "./key.ts";
import { type After, MOST_OPENING, systemAfter, Turns, within } from "./limits.ts";
import type { ByteStream } from "./stream.ts";
import { type Target, TargetError } from "./target.ts";

/** A connection to a target. */
export interface Opened<Stream> {
  readonly stream: Stream;
  /** What the target has said already. */
  readonly rest: Uint8Array;
}

/** What connects on to targets: a relay, or a Transport Converter. */
export interface Upstream<Stream> {
  /**
   * A connection to `target`.
   *
   * @throws {TargetError} there is none, and why.
   */
  open(target: Target): Promise<Opened<Stream>>;
}

/** How long what stands upstream may take. */
export interface UpstreamTimes {
  /** Milliseconds to answer, and to reach the target. */
  readonly answer: number;
  /** Times it. */
  readonly after?: After;
}

/** Makes connections to one that stands upstream: so many at once, until it has heard what is wanted. How long targets take to answer holds nobody else up. */
export class Opening<Stream extends ByteStream> {
  readonly #name: string;
  readonly #answer: number;
  readonly #after: After;
  readonly #turns = new Turns(MOST_OPENING);

  /** @param name Of what stands upstream, for messages. */
  constructor(name: string, { answer, after = systemAfter }: UpstreamTimes) {
    this.#name = name;
    this.#answer = answer;
    this.#after = after;
  }

  /**
   * Connects by `dial`, and begins by `begin`, which calls `heard` when it has been asked for the target, and gives what that has said already. Where that
   * fails or takes too long, the connection is reset.
   *
   * @throws {TargetError} there is none, and why.
   */
  async open(
    dial: () => Promise<Stream>,
    begin: (stream: Stream, heard: () => void) => Promise<Uint8Array>,
  ): Promise<Opened<Stream>> {
    const turn = await this.#turns.begin();
    let stream: Stream | null = null;
    try {
      stream = await dial();
      const rest = await within(this.#answer, this.#after, begin(stream, turn.heard), () => {
        return new TargetError("timed out", `${this.#name} has not answered in time`);
      });
      return { stream, rest };
    } catch (error) {
      stream?.abort(error);
      if (error instanceof TargetError) throw error;
      const message = `${this.#name}: ${(error as Error).message}`;
      throw new TargetError("failed", message, { cause: error });
    } finally {
      turn.over();
    }
  }
}

/** A relay that has the key. */
export class RelayClient<Stream extends ByteStream> {
  readonly #key: SharedKey;
  readonly #opening: Opening<Stream>;

  /** Makes one that has asked nothing yet. */
  constructor(key: SharedKey, times: UpstreamTimes) {
    this.#key = key;
    this.#opening = new Opening("the relay", times);
  }

  /**
   * A connection to `target`, over one to the relay that `dial` makes.
   *
   * @throws {TargetError} there is none, and why.
   */
  open(target: Target, dial: () => Promise<Stream>): Promise<Opened<Stream>> {
    return this.#opening.open(dial, (stream, heard) => askRelay(stream, this.#key, target, heard));
  }
}

/** The same, always by the same way. */
export function throughRelay<Stream extends ByteStream>(
  dial: () => Promise<Stream>,
  key: SharedKey,
  times: UpstreamTimes,
): Upstream<Stream> {
  const relay = new RelayClient<Stream>(key, times);
  return { open: (target) => relay.open(target, dial) };
}
