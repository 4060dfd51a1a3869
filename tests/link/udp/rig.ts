/** Two ends of associations with nothing but datagrams between them: what one sends is looked at, changed, or handed to the other by the test. */

import { Associations, type AssociationsOptions } from "../../../core/link/udp/associations.ts";
import { HEADER } from "../../../core/link/udp/datagram.ts";
import type { Peer } from "../../../core/link/udp/peer.ts";
import type { SocketAddress } from "../../../core/link/udp/socket_address.ts";
import { seededRandom } from "../../../core/host/random.ts";
import { packet_alloc, u8 } from "../../../wasm/mod.ts";
import { end } from "../../support/udp_network.ts";

/** A datagram on its way. */
export interface Datagram {
  readonly from: SocketAddress;
  readonly to: SocketAddress;
  readonly bytes: Uint8Array;
}

const BUFFER = packet_alloc(66048);

/** One end. */
export class Station {
  readonly associations: Associations;
  readonly counts = new Map<string, number>();
  /** What it has sent and nobody has taken yet. */
  readonly out: Datagram[] = [];
  /** Segments that came, and from whom. */
  readonly segments: { readonly peer: Peer; readonly bytes: Uint8Array }[] = [];
  /** Peers that have moved, each time. */
  readonly moved: Peer[] = [];
  address: SocketAddress;

  constructor(address: SocketAddress, options: Partial<AssociationsOptions> = {}, seed = 1) {
    this.address = address;
    const { float } = seededRandom(seed)(address.text);
    this.associations = new Associations({
      random: float,
      transmit: (bytes, to) => this.out.push({ from: this.address, to, bytes }),
      count: (name, by = 1) => this.counts.set(name, this.count(name) + by),
      moved: (peer) => this.moved.push(peer),
    }, {
      family: 4,
      own: address.address,
      accept: false,
      key: new Uint8Array(0),
      keepAlive: 15e6,
      most: 100,
      ...options,
    });
  }

  count(name: string): number {
    return this.counts.get(name) ?? 0;
  }

  /** Takes what it has sent. */
  take(): Datagram[] {
    return this.out.splice(0);
  }

  /** Octets that it has sent to an address, taken or not, are for the test to add up; this hands it a datagram. */
  receive({ bytes, from }: Pick<Datagram, "bytes" | "from">, now: number): Peer | null {
    u8.set(bytes, BUFFER);
    const peer = this.associations.arrive(BUFFER, bytes.length, from, now);
    if (peer !== null) {
      this.segments.push({ peer, bytes: bytes.slice(this.associations.segment) });
    }
    return peer;
  }

  /** DATA with a segment, to a peer whose association is open; nothing where it must not be sent. */
  data(peer: Peer, segment: Uint8Array, now: number): Datagram | null {
    if (!peer.maySend(HEADER + segment.length, now)) return null;
    const bytes = new Uint8Array(HEADER + segment.length);
    bytes.set(peer.header(0));
    bytes.set(segment, HEADER);
    return { from: this.address, to: peer.endpoint, bytes };
  }
}

/** A segment: what is in it is of no concern to associations. */
export function segment(octets = 60, fill = 7): Uint8Array {
  return new Uint8Array(octets).fill(fill);
}

/** A client and a server that accepts. */
export class Rig {
  readonly client: Station;
  readonly server: Station;
  now = 1e6;

  constructor(
    options: {
      readonly client?: Partial<AssociationsOptions>;
      readonly server?: Partial<AssociationsOptions>;
    } = {},
  ) {
    this.client = new Station(end("192.0.2.5", 40000), options.client);
    this.server = new Station(end("203.0.113.1", 8684), { accept: true, ...options.server });
  }

  /** Hands over what both have sent, until nothing is left; what is for nobody vanishes. */
  settle(): void {
    for (let some = true; some;) {
      some = false;
      for (const station of [this.client, this.server]) {
        for (const datagram of station.take()) {
          some = true;
          const other = [this.client, this.server].find(({ address }) =>
            address.text === datagram.to.text
          );
          other?.receive(datagram, this.now);
        }
      }
    }
  }

  /** Opens an association. Both ends of it. */
  open(): { readonly client: Peer; readonly server: Peer } {
    const peer = this.hello();
    this.settle();
    return { client: peer, server: this.server.segments.at(-1)!.peer };
  }

  /** Sends a HELLO with a segment. */
  hello(): Peer {
    const { associations, address } = this.client;
    const { address: to } = this.server;
    const peer = associations.begin(to.address, to, this.now)!;
    this.client.out.push({
      from: address,
      to,
      bytes: associations.hello(peer, 0, segment(), this.now),
    });
    return peer;
  }

  /** Sends a segment from the client; what the server makes of it. */
  up(peer: Peer, fill = 7): Peer | null {
    const datagram = this.client.data(peer, segment(60, fill), this.now)!;
    return this.server.receive(datagram, this.now);
  }
}
