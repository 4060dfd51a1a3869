/** A lab with a host of ours on its paths, and what is moved between it and the kernel. */

import { createHash } from "node:crypto";
import { assertEquals } from "@std/assert";
import { Host, type HostOptions, type MptcpConn } from "../../../mod.ts";
import { Lab, type LabInterfaceOptions, type LabOptions } from "../../../cli/lab.ts";
import { type Peer, type PeerEnd, type PeerJob, type PeerOptions, startPeer } from "./peer.ts";

/** Which side of a connection we are. */
export type Role = "client" | "server";

/** How a stand is made. */
export interface StandOptions {
  /** The kernel's side. */
  readonly lab?: LabOptions;
  /** Links and addresses. */
  readonly interfaces?: LabInterfaceOptions;
  /** The rest of our side. */
  readonly host?: Omit<HostOptions, "interfaces">;
}

/** A lab with a host of ours. All of it goes at the end of `await using`. */
export class Stand implements AsyncDisposable {
  /** The kernel's side. */
  readonly lab: Lab;
  /** Our side. */
  readonly host: Host;

  private constructor(lab: Lab, host: Host) {
    this.lab = lab;
    this.host = host;
  }

  /** Makes both sides. */
  static async open({ lab: labOptions, interfaces, host }: StandOptions = {}): Promise<Stand> {
    const lab = await Lab.create(labOptions);
    try {
      const options = { ...host, interfaces: lab.interfaces(interfaces) };
      return new Stand(lab, await Host.open(options));
    } catch (error) {
      await lab.close();
      throw error;
    }
  }

  /** Opens a connection with a peer on the kernel's sockets over the first path, as client or as server. */
  async meet(
    role: Role,
    job: PeerJob,
    options: Omit<PeerOptions, "host" | "port"> & { readonly family?: 4 | 6 } = {},
  ): Promise<Meeting> {
    const { family = 4, ...rest } = options;
    const { kernel, host } = this.lab.path(0);
    const at = family === 4 ? 0 : 1;
    if (role === "client") {
      const any = family === 4 ? "0.0.0.0" : "::";
      const peer = await startPeer(this.lab, "listen", job, { ...rest, host: any });
      const connecting = this.host.connect({ hostname: kernel[at]!, port: peer.port });
      return new Meeting(peer, await orEnd(peer, connecting));
    }
    using listener = this.host.listen({ port: 0 });
    const ours = host[at]!.replace(/\/.*/, "");
    const { port } = listener.addr;
    const peer = await startPeer(this.lab, "connect", job, { ...rest, host: ours, port });
    return new Meeting(peer, await orEnd(peer, listener.accept()));
  }

  /** Aborts what is open and removes all. */
  async close(): Promise<void> {
    try {
      await this.host.close();
    } finally {
      await this.lab.close();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

async function orEnd<T>(peer: Peer, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    await peer[Symbol.asyncDispose]();
    throw error;
  }
}

/** Told of an exchange's progress in bytes; may hold it up. */
export interface Progress {
  /** What has been written. */
  readonly sent?: (bytes: number) => void | Promise<void>;
  /** What has been read. */
  readonly received?: (bytes: number) => void | Promise<void>;
  /** By fill() and drain(), in place of write() and read(). @default {false} */
  readonly lent?: boolean;
}

/** Bytes of one write or read. */
const BLOCK = 1 << 20;

/** A connection between us and the kernel. */
export class Meeting implements AsyncDisposable {
  /** The kernel's side. */
  readonly peer: Peer;
  /** Our side. */
  readonly conn: MptcpConn;
  /** Bytes that we sent and received so far. */
  sent = 0;
  received = 0;
  readonly #out = createHash("sha256");
  readonly #in = createHash("sha256");

  /** Joins both. */
  constructor(peer: Peer, conn: MptcpConn) {
    this.peer = peer;
    this.conn = conn;
  }

  /** Sends `size` bytes. */
  async send(size: number, progress?: Progress["sent"]): Promise<void> {
    const block = new Uint8Array(Math.min(size, BLOCK)).map((_, i) => i * 31 >> 3);
    const end = this.sent + size;
    while (this.sent < end) {
      const piece = block.subarray(0, Math.min(BLOCK, end - this.sent));
      piece[0] = this.sent >> 20;
      await this.conn.write(piece);
      this.#out.update(piece);
      this.sent += piece.length;
      await progress?.(this.sent);
    }
  }

  /** The same by fill(). */
  async fill(size: number, progress?: Progress["sent"]): Promise<void> {
    const block = new Uint8Array(65536).map((_, i) => i * 31 >> 3);
    const end = this.sent + size;
    while (this.sent < end) {
      await this.conn.untilWritable();
      this.sent += this.conn.fill((view) => {
        const piece = view.subarray(0, Math.min(view.length, end - this.sent));
        piece.set(block.subarray(0, piece.length));
        piece[0] = this.sent >> 16;
        this.#out.update(piece);
        return piece.length;
      });
      await progress?.(this.sent);
    }
  }

  /** Takes what comes by drain(), to the end. */
  async drain(progress?: Progress["received"]): Promise<void> {
    while (await this.conn.untilReadable() !== null) {
      this.received += this.conn.drain((view) => {
        this.#in.update(view);
        return view.length;
      }) ?? 0;
      await progress?.(this.received);
    }
  }

  /** Notes bytes that went out with our SYN. */
  sentEarly(bytes: Uint8Array): void {
    this.#out.update(bytes);
    this.sent += bytes.length;
  }

  /** Reads `size` bytes, or to the end. */
  async receive(size = Infinity, progress?: Progress["received"]): Promise<void> {
    const block = new Uint8Array(BLOCK);
    const end = this.received + size;
    while (this.received < end) {
      const count = await this.conn.read(block.subarray(0, Math.min(BLOCK, end - this.received)));
      if (count === null) return;
      this.#in.update(block.subarray(0, count));
      this.received += count;
      await progress?.(this.received);
    }
  }

  /** Sends a byte and waits for its echo: only then further paths may be opened (RFC 8684 §3.1). */
  async greet(): Promise<void> {
    await this.send(1);
    await this.receive(1);
  }

  /** Sends `size` bytes and the end, reads to the end, and sees that each side got all that the other sent. */
  async exchange(size: number, progress: Progress = {}): Promise<PeerEnd> {
    const { lent = false, sent: onSent, received: onReceived } = progress;
    const sending = async (): Promise<void> => {
      await (lent ? this.fill(size, onSent) : this.send(size, onSent));
      await this.conn.closeWrite();
    };
    const receiving = lent ? this.drain(onReceived) : this.receive(Infinity, onReceived);
    await Promise.all([sending(), receiving]);
    const end = await this.peer.until("end");
    assertEquals(end.error, null);
    const sent = [this.sent, this.#out.digest("hex")];
    assertEquals([end.received, end.receivedSha256], sent);
    assertEquals([this.received, this.#in.digest("hex")], [end.sent, end.sentSha256]);
    return end;
  }

  /** Ends both sides. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.conn[Symbol.asyncDispose]();
    await this.peer[Symbol.asyncDispose]();
  }
}
