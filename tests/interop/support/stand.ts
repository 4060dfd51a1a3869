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

/** Bytes that went one way. */
export interface Moved {
  /** How many. */
  readonly bytes: number;
  /** Their sum. */
  readonly sha256: string;
}

/** Bytes of one write or read. */
const BLOCK = 1 << 20;

/** A connection between us and the kernel. */
export class Meeting implements AsyncDisposable {
  /** The kernel's side. */
  readonly peer: Peer;
  /** Our side. */
  readonly conn: MptcpConn;

  /** Joins both. */
  constructor(peer: Peer, conn: MptcpConn) {
    this.peer = peer;
    this.conn = conn;
  }

  /** Sends `size` bytes and the end. `progress` is told how many there were, and may hold it up. */
  async send(size: number, progress?: (bytes: number) => void | Promise<void>): Promise<Moved> {
    const hash = createHash("sha256");
    const block = new Uint8Array(BLOCK).map((_, i) => i * 31 >> 3);
    for (let at = 0; at < size; at += BLOCK) {
      const piece = block.subarray(0, Math.min(BLOCK, size - at));
      new DataView(block.buffer).setFloat64(0, at);
      await this.conn.write(piece);
      hash.update(piece);
      await progress?.(at + piece.length);
    }
    await this.conn.closeWrite();
    return { bytes: size, sha256: hash.digest("hex") };
  }

  /** Reads to the end. */
  async receive(progress?: (bytes: number) => void | Promise<void>): Promise<Moved> {
    const hash = createHash("sha256");
    const block = new Uint8Array(BLOCK);
    let bytes = 0;
    for (;;) {
      const count = await this.conn.read(block);
      if (count === null) return { bytes, sha256: hash.digest("hex") };
      hash.update(block.subarray(0, count));
      bytes += count;
      await progress?.(bytes);
    }
  }

  /** Sends `size` bytes, reads to the end, and sees that each side got what the other sent. */
  async exchange(size: number, progress: Progress = {}): Promise<PeerEnd> {
    const [sent, received] = await Promise.all([
      this.send(size, progress.sent),
      this.receive(progress.received),
    ]);
    const end = await this.peer.until("end");
    assertEquals(end.error, null);
    assertEquals({ bytes: end.received, sha256: end.receivedSha256 }, sent);
    assertEquals(received, { bytes: end.sent, sha256: end.sentSha256 });
    return end;
  }

  /** Ends both sides. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.conn[Symbol.asyncDispose]();
    await this.peer[Symbol.asyncDispose]();
  }
}

/** Told of an exchange's progress in bytes; may hold it up. */
export interface Progress {
  /** What has been written. */
  readonly sent?: (bytes: number) => void | Promise<void>;
  /** What has been read. */
  readonly received?: (bytes: number) => void | Promise<void>;
}
