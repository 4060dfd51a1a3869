/** How a proxy comes to a connection that ends at a target: through what stands upstream of it. */

import { askRelay } from "./handshake.ts";
import type { SharedKey } from "./key.ts";
import { type After, systemAfter, within } from "./limits.ts";
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

/**
 * Connects by `dial`, and begins by `begin`, which gives what the target has said already. Where that fails or takes too long, the connection is reset.
 *
 * @param name Of what stands upstream, for messages.
 */
export async function opening<Stream extends ByteStream>(
  dial: () => Promise<Stream>,
  { answer, after = systemAfter }: UpstreamTimes,
  name: string,
  begin: (stream: Stream) => Promise<Uint8Array>,
): Promise<Opened<Stream>> {
  const failed = (error: unknown): TargetError =>
    error instanceof TargetError
      ? error
      : new TargetError("failed", `${name}: ${(error as Error).message}`, { cause: error });
  const stream = await dial().catch((error) => {
    throw failed(error);
  });
  try {
    const rest = await within(answer, after, begin(stream), () => {
      return new TargetError("timed out", `${name} has not answered in time`);
    });
    return { stream, rest };
  } catch (error) {
    stream.abort(error);
    throw failed(error);
  }
}

/** A relay that has the key. */
export function throughRelay<Stream extends ByteStream>(
  dial: () => Promise<Stream>,
  key: SharedKey,
  times: UpstreamTimes,
): Upstream<Stream> {
  return {
    open: (target) => opening(dial, times, "the relay", (stream) => askRelay(stream, key, target)),
  };
}
