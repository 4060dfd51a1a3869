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
      return await peer.guard(async () => {
        const conn = await this.host.connect({ hostname: kernel[at]!, port: peer.port });
        return new Meeting(peer, conn);
      });
    }
    using listener = this.host.listen({ port: 0 });
    const ours = host[at]!.replace(/\/.*/, "");
    const { port } = listener.addr;
    const peer = await startPeer(this.lab, "connect", job, { ...rest, host: ours, port });
    return await peer.guard(async () => new Meeting(peer, await listener.accept()));
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
