/** Peers of a topology's server that take its memory: plain TCP, scripted, on a link of their own. */

import type { ConnectionObserver } from "../../core/connection/host.ts";
import type { MetaSocket } from "../../core/connection/meta_socket.ts";
import { u8 } from "../../wasm/mod.ts";
import { ScriptedLink } from "./dialogue.ts";
import { PAYLOAD, Peer, type Sent, type Stage } from "./scripted_peer.ts";
import { Session } from "./segment_codec.ts";
import type { Topology } from "./topology.ts";

const IDLE: ConnectionObserver = {
  onEstablished() {},
  onReadable() {},
  onWritable() {},
  onClosed() {},
};

/** A crowd of peers, and what the server has of each. */
export class HostilePeers implements Stage {
  readonly sent: Sent[] = [];
  readonly peers: Peer[] = [];
  readonly accepted: MetaSocket[] = [];
  readonly #topology: Topology;
  readonly #link: ScriptedLink;
  readonly #accept: () => void;

  /** Makes their link and a port of the server's that takes them all. */
  constructor(topology: Topology, port = 81) {
    this.#topology = topology;
    this.#link = new ScriptedLink("hostile", this.sent, 1500, 1);
    const { server } = topology;
    server.addLink(topology.now, this.#link, ["10.9.0.1/16"]);
    const listener = server.listen(topology.now, {
      port,
      backlog: 100_000,
      observer: { onConnection: () => this.#accept() },
    });
    this.#accept = () => {
      for (let socket = listener.accept(); socket !== null; socket = listener.accept()) {
        socket.observe(IDLE);
        this.accepted.push(socket);
      }
    };
  }

  get now(): number {
    return this.#topology.now;
  }

  inject(bytes: Uint8Array): void {
    const address = PAYLOAD - (PAYLOAD & 3);
    u8.set(bytes, address);
    const { server } = this.#topology;
    const packet = { address, length: bytes.length, gsoSize: 0, verified: false };
    server.handlePacket(this.now, this.#link, packet);
    server.flush(this.now);
  }

  /** Opens `count` more connections. */
  open(count: number): void {
    for (let i = 0; i < count; i++) {
      const number = this.peers.length;
      const peer = new Peer(this, {
        link: 0,
        local: "10.9.0.1",
        localPort: 81,
        remote: `10.9.${1 + (number >> 8)}.${number & 255}`,
        remotePort: 4000,
        session: new Session(),
      });
      peer.offers({ mptcp: false }, "S", []);
      peer.gets("S. 0 ack 1");
      peer.sends(". 1 ack 1");
      this.sent.length = 0;
      this.peers.push(peer);
    }
  }

  /** Each sends one byte in each of `pages` pages of 64 KB, the first left out. Returns how many there were. */
  scatter(pages: number): number {
    for (const peer of this.peers) {
      for (let page = 1; page <= pages; page++) {
        peer.sends(`P. ${page * 65536 + 1}:${page * 65536 + 2} ack 1`);
      }
      this.sent.length = 0;
    }
    return this.peers.length * pages;
  }

  /** The server writes to each as much as is taken; none ever acknowledges it. Returns the bytes. */
  fill(): number {
    const block = new Uint8Array(1 << 20);
    let bytes = 0;
    for (const socket of this.accepted) {
      for (let taken = 1; taken > 0; bytes += taken) taken = socket.write(this.now, block, 0);
    }
    this.#topology.server.flush(this.now);
    this.sent.length = 0;
    return bytes;
  }
}
