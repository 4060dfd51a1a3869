/** A connection of a topology over which a test writes what and when it likes, from the client to the server, which reads at once. */

import { assertEquals } from "@std/assert";
import type { ConnectionObserver } from "../../core/connection/host.ts";
import type { MetaSocket } from "../../core/connection/meta_socket.ts";
import type { Policies } from "../../core/guard/policies.ts";
import { pattern } from "./streams.ts";
import type { Topology } from "./topology.ts";

const IDLE: ConnectionObserver = {
  onEstablished() {},
  onReadable() {},
  onWritable() {},
  onClosed() {},
};

/** What goes over it repeats after so many bytes, a prime: a page or a segment in a wrong place shows. */
const PERIOD = 65521;
/** Most bytes of a write. */
const MOST = 1 << 20;
const BYTES = pattern(PERIOD, 5);
const BLOCK = new Uint8Array(PERIOD + MOST);
for (let at = 0; at < BLOCK.length; at += PERIOD) {
  BLOCK.set(BYTES.subarray(0, BLOCK.length - at), at);
}

/** One connection, opened at once. */
export class OneWay {
  readonly socket: MetaSocket;
  /** Bytes written, and read. */
  written = 0;
  read = 0;
  /** Called when bytes were read. */
  onRead: () => void = () => {};
  #server: MetaSocket | null = null;
  readonly #topology: Topology;
  readonly #target = new Uint8Array(1 << 17);

  /** Opens it to a port on which nobody listens yet. */
  constructor(topology: Topology, port = 80, policies: Partial<Policies> = {}) {
    this.#topology = topology;
    const listener = topology.server.listen(topology.now, {
      port,
      observer: {
        onConnection: () => {
          const server = this.#server = listener.accept()!;
          server.observe({ ...IDLE, onReadable: () => this.#read(server) });
          this.#read(server);
        },
      },
    });
    this.socket = topology.client.connect(topology.now, {
      remote: { address: "10.0.0.1", port },
      observer: IDLE,
      policies,
    });
  }

  /** The server's end; null until it is established. */
  get server(): MetaSocket | null {
    return this.#server;
  }

  /** Writes as many of the next `length` bytes, at most a megabyte, as are taken; returns how many. */
  write(length: number): number {
    const at = this.written % PERIOD;
    const bytes = BLOCK.subarray(at, at + Math.min(length, MOST));
    const taken = this.socket.write(this.#topology.now, bytes, 0);
    this.written += taken;
    return taken;
  }

  #read(server: MetaSocket): void {
    const target = this.#target;
    for (let length = 1; length > 0;) {
      length = server.read(this.#topology.now, target);
      const at = this.read % PERIOD;
      for (let i = 0; i < length; i++) {
        // Not an assertion for each: there are millions.
        if (target[i] !== BLOCK[at + i]) assertEquals(target[i], BLOCK[at + i], `${this.read + i}`);
      }
      this.read += length;
    }
    this.onRead();
  }
}
