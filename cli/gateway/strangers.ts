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
  /** Its place is another's. */
  readonly evicted: () => void;
  /** Where it stands among those of its network; -1: it has left. */
  index: number;
}

/** The strangers of one network. */
class Network {
  readonly name: string;
  /** In no order, but that who came last is the last. */
  readonly there: Stranger[] = [];
  /** Where it stands among those of as many. */
  place = 0;

  constructor(name: string) {
    this.name = name;
  }
}

/** Networks by how many strangers they have, so that one of those with most is found without a search. */
class Group {
  readonly #bySize: Network[][] = [];
  /** Most that a network has. */
  #most = 0;
  /** Strangers of all. */
  taken = 0;
  /** Sizes that were looked at for the next one that a network has. */
  steps = 0;

  add(network: Network): void {
    const size = network.there.length;
    this.taken += size;
    const same = this.#bySize[size] ??= [];
    network.place = same.push(network) - 1;
    this.#most = Math.max(this.#most, size);
  }

  remove(network: Network): void {
    const size = network.there.length;
    this.taken -= size;
    const same = this.#bySize[size]!;
    const last = same.pop()!;
    if (last !== network) {
      same[network.place] = last;
      last.place = network.place;
    }
    while (this.#most > 0 && (this.#bySize[this.#most]?.length ?? 0) === 0) {
      this.#most--;
      this.steps++;
    }
  }

  /** One of those with most strangers, by a number from 0 to 1; not `but` where that has no other stranger than the last. */
  pick(but: Network, random: number): Network {
    const largest = this.#bySize[this.#most]!;
    if (this.#most > 1 || largest[but.place] !== but) {
      return largest[Math.floor(random * largest.length)]!;
    }
    const index = Math.floor(random * (largest.length - 1));
    return largest[index < but.place ? index : index + 1]!;
  }
}

/** Whose network an address is of. */
function networkOf(address: string): string {
  const parsed = parseAddress(address);
  return parsed === null ? "" : unmapped(parsed.bytes).subarray(0, NETWORK).join(".");
}

/**
 * So many places. Who comes when none is free takes that of another, in the network that has most of them. Where many networks come with little each, those that
 * have shown before that they may keep half of the places among themselves, and so do all others. Among those who are alike it is chance that says who gives
 * way: were it who is there for longest, then so many strangers within the time that a handshake takes would let nobody in, and so it is some who come in.
 */
export class Strangers {
  readonly #most: number;
  readonly #random: () => number;
  readonly #there = new Map<string, Network>();
  readonly #known = new Set<string>();
  readonly #ofKnown = new Group();
  readonly #ofUnknown = new Group();

  /** @param most How many places there are, two at least. @param random Numbers from 0 to 1, 1 not included. */
  constructor(most: number, random: () => number = Math.random) {
    this.#most = Math.max(2, most);
    this.#random = random;
  }

  /** How many are taken. */
  get taken(): number {
    return this.#ofKnown.taken + this.#ofUnknown.taken;
  }

  /** Steps of all searches for who has to give way, for tests: they bound them. */
  get steps(): number {
    return this.#ofKnown.steps + this.#ofUnknown.steps;
  }

  /** Takes a place for one at the address `from`; `evicted` is called when it has to give way. */
  enter(from: string, evicted: () => void): Stay {
    const name = networkOf(from);
    const network = this.#there.get(name) ?? new Network(name);
    const stranger: Stranger = { evicted, index: network.there.length };
    this.#change(network, () => network.there.push(stranger));
    if (this.taken > this.#most) this.#makeRoom(network);
    return {
      shown: () => this.#know(name),
      leave: () => this.#remove(network, stranger),
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

  #groupOf(network: Network): Group {
    return this.#known.has(network.name) ? this.#ofKnown : this.#ofUnknown;
  }

  /** Changes who of a network is there, or whether it is known. */
  #change(network: Network, change: () => void): void {
    if (network.there.length > 0) this.#groupOf(network).remove(network);
    change();
    if (network.there.length > 0) {
      this.#there.set(network.name, network);
      this.#groupOf(network).add(network);
    } else this.#there.delete(network.name);
  }

  #remove(network: Network, stranger: Stranger): void {
    const { index } = stranger;
    if (index < 0) return;
    stranger.index = -1;
    this.#change(network, () => {
      const last = network.there.pop()!;
      if (last === stranger) return;
      network.there[index] = last;
      last.index = index;
    });
  }

  #know(name: string): void {
    this.#setKnown(name, () => {
      this.#known.delete(name);
      this.#known.add(name);
    });
    if (this.#known.size <= MOST_KNOWN) return;
    for (const oldest of this.#known) {
      this.#setKnown(oldest, () => this.#known.delete(oldest));
      return;
    }
  }

  #setKnown(name: string, set: () => void): void {
    const network = this.#there.get(name);
    if (network === undefined) set();
    else this.#change(network, set);
  }

  /** Has one give way to the last of `newcomers`. */
  #makeRoom(newcomers: Network): void {
    const several = this.#ofKnown.taken > this.#most / 2 ? this.#ofKnown : this.#ofUnknown;
    const network = several.pick(newcomers, this.#random());
    const others = network.there.length - (network === newcomers ? 1 : 0);
    const stranger = network.there[Math.floor(this.#random() * others)]!;
    this.#remove(network, stranger);
    stranger.evicted();
  }
}
