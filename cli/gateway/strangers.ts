/** Places of those who have not shown yet that they may: who comes always has one, and it is the others who give way, so that nobody holds a gateway shut. */

import { type After, within } from "./limits.ts";
import { ProtocolError } from "./stream.ts";
import { parseAddress, unmapped } from "../../core/wire/ip.ts";

/** Octets of an IPv6 address that say whose network it is; who has one has all that begin with them. */
const NETWORK = 8;
/** Most networks that are known to have shown that they may; the one that did so longest ago is forgotten. */
const MOST_KNOWN = 4096;

/** One that is there. */
export interface Stay {
  /** It has shown that it may, and so has its network. */
  shown(): void;
  /** Its place is free; after that, or once it had to give way, nothing. */
  leave(): void;
}

interface Stranger {
  readonly network: string;
  /** Its place is another's. */
  readonly evicted: () => void;
}

/** Whose network an address is of. */
function networkOf(address: string): string {
  const parsed = parseAddress(address);
  return parsed === null ? "" : unmapped(parsed.bytes).subarray(0, NETWORK).join(".");
}

/**
 * So many places. Who comes when none is free takes that of another: in the network that has most of them, of who is there for longest. Where many networks
 * come with little each, those that have shown before that they may keep half of the places among themselves, and so do all others.
 */
export class Strangers {
  readonly #most: number;
  /** In the order in which they came. */
  readonly #there = new Set<Stranger>();
  readonly #known = new Set<string>();

  /** @param most How many places there are, two at least. */
  constructor(most: number) {
    this.#most = Math.max(2, most);
  }

  /** How many are taken. */
  get taken(): number {
    return this.#there.size;
  }

  /** Takes a place for one at the address `from`; `evicted` is called when it has to give way. */
  enter(from: string, evicted: () => void): Stay {
    const stranger = { network: networkOf(from), evicted };
    this.#there.add(stranger);
    if (this.#there.size > this.#most) this.#makeRoom();
    return {
      shown: () => this.#know(stranger.network),
      leave: () => void this.#there.delete(stranger),
    };
  }

  /**
   * What one at the address `from` says, by `work`, while it has a place here, and for so many milliseconds. Unless it is null that shows that it may.
   *
   * @param late What the error says when it takes too long. @param others And when it has to give way.
   * @throws {ProtocolError} one of these, or what `work` throws.
   */
  async hear<T>(
    from: string,
    work: Promise<T>,
    milliseconds: number,
    after: After,
    [late, others]: readonly [late: string, others: string],
  ): Promise<T> {
    const evicted = Promise.withResolvers<never>();
    const stay = this.enter(from, () => evicted.reject(new ProtocolError(others)));
    try {
      const heard = await within(
        milliseconds,
        after,
        Promise.race([work, evicted.promise]),
        () => new ProtocolError(late),
      );
      if (heard !== null) stay.shown();
      return heard;
    } finally {
      stay.leave();
    }
  }

  #know(network: string): void {
    this.#known.delete(network);
    this.#known.add(network);
    if (this.#known.size <= MOST_KNOWN) return;
    for (const oldest of this.#known) {
      this.#known.delete(oldest);
      return;
    }
  }

  #makeRoom(): void {
    const there = [...this.#there];
    const known = there.filter(({ network }) => this.#known.has(network));
    const unknown = there.filter(({ network }) => !this.#known.has(network));
    const several = known.length > this.#most / 2 ? known : unknown;
    const counts = new Map<string, number>();
    for (const { network } of several) counts.set(network, (counts.get(network) ?? 0) + 1);
    const largest = Math.max(...counts.values());
    const first = several.find(({ network }) => counts.get(network) === largest)!;
    this.#there.delete(first);
    first.evicted();
  }
}
