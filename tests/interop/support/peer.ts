/** Drives a peer on the kernel's sockets, peer.py, inside a network namespace. */

import { fileURLToPath } from "node:url";
import type { Namespace } from "../../../cli/namespace.ts";

const PROGRAM = fileURLToPath(new URL("./peer.py", import.meta.url));

/** What the peer does with each connection: reads, sends, both at once, sends back what it reads, or does what it is told. */
export type PeerJob = "sink" | "source" | "both" | "echo" | "drive";

/** How a peer is started. */
export interface PeerOptions {
  /** The kernel's address to listen on, "0.0.0.0" or "::" so that joins to its other addresses find a listener too; or ours to connect to. */
  readonly host: string;
  /** Its port; listening, 0 is any free one. */
  readonly port?: number;
  /** Bytes to send on each connection. */
  readonly size?: number;
  /** Bits per second at most. */
  readonly rate?: number;
  /** Plain TCP in place of MPTCP. */
  readonly tcp?: boolean;
  /** The kernel's address to connect from. */
  readonly bind?: string;
  /** Its first data go out with the SYN, or it takes them with one, where net.ipv4.tcp_fastopen lets it. */
  readonly fastopen?: boolean;
  /** Connections to accept. */
  readonly accept?: number;
  /** Connections to open, one after the other. */
  readonly connections?: number;
  /** Seconds before it begins to read. */
  readonly pause?: number;
  /** Bytes of its receive buffer. */
  readonly buffer?: number;
  /** Seconds that it waits for anything. */
  readonly timeout?: number;
  /** Where it closes a connection, it aborts it. */
  readonly reset?: boolean;
  /** Bytes of `size` after which it waits for `release()`. */
  readonly hold?: number;
  /** Does not close a connection before `release()`. */
  readonly keep?: boolean;
}

/** What the kernel's MPTCP_INFO said while the connection was open. */
export interface PeerMptcp {
  /** Subflows besides the first. */
  readonly subflows: number;
  /** It fell back to plain TCP. */
  readonly fallback: boolean;
  /** DSS checksums are in use: 1. */
  readonly csum_enabled: number;
  /** All others by their names in the kernel. */
  readonly [name: string]: number | boolean;
}

/** The end of a connection as the peer saw it. */
export interface PeerEnd {
  readonly event: "end";
  /** Bytes sent, and their sum. */
  readonly sent: number;
  readonly sentSha256: string;
  /** Bytes received, and their sum. */
  readonly received: number;
  readonly receivedSha256: string;
  /** From the connection's beginning to its end. */
  readonly seconds: number;
  /** Name of the error that ended it, such as "ECONNRESET"; null: it ended in order. */
  readonly error: string | null;
  /** Null on plain TCP. */
  readonly mptcp: PeerMptcp | null;
  /** By subflow, as MPTCP_TCPINFO has it. */
  readonly subflows: readonly PeerTcp[];
  /** Both ends of each subflow, as MPTCP_SUBFLOW_ADDRS has them, while most were open. */
  readonly addresses: readonly (readonly [local: PeerAddress, remote: PeerAddress])[];
  /** What MPTCP_FULL_INFO said then; null where it says nothing. */
  readonly full: {
    readonly count: number;
    readonly mptcp: PeerMptcp;
    readonly subflows: readonly {
      readonly id: number;
      readonly local: PeerAddress;
      readonly remote: PeerAddress;
      readonly tcp: PeerTcp;
    }[];
  } | null;
}

/** An address and its port. */
export type PeerAddress = readonly [address: string, port: number];

/** Of the kernel's TCP_INFO of a subflow. */
export interface PeerTcp {
  readonly bytesAcked: number;
  readonly bytesReceived: number;
  readonly state: number;
  readonly options: number;
  readonly snd_wscale: number;
  readonly rcv_wscale: number;
  readonly advmss: number;
}

/** Anything that it tells. */
export type PeerEvent =
  | PeerEnd
  | { readonly event: "listening"; readonly port: number }
  | { readonly event: "open"; readonly local: string; readonly remote: string }
  | { readonly event: "moved"; readonly bytes: number }
  | { readonly event: "refused"; readonly error: string }
  | { readonly event: "done" };

/** A peer at work. */
export class Peer implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #reader: ReadableStreamDefaultReader<string>;
  readonly #complaint: Promise<string>;
  #text = "";

  /** Made by {@linkcode startPeer}. */
  constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#complaint = new Response(child.stderr).text();
  }

  /** The next thing that it tells. */
  async next(): Promise<PeerEvent> {
    for (;;) {
      const end = this.#text.indexOf("\n");
      if (end >= 0) {
        const line = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 1);
        return JSON.parse(line);
      }
      const { value, done } = await this.#reader.read();
      if (done) throw new Error(`The kernel's peer ended early: ${await this.#complaint}`);
      this.#text += value;
    }
  }

  /** The next event of a kind; others in front of it are passed over. */
  async until<K extends PeerEvent["event"]>(kind: K): Promise<Extract<PeerEvent, { event: K }>> {
    for (;;) {
      const event = await this.next();
      if (event.event === kind) return event as Extract<PeerEvent, { event: K }>;
      if (event.event === "done") throw new Error(`The kernel's peer ended without "${kind}"`);
    }
  }

  /** Lets it send what it holds, or close a connection that it keeps. */
  release(): Promise<void> {
    return this.tell("");
  }

  /** Tells it, whose job is "drive", how many bytes to send and read, or "end". */
  async tell(line: string): Promise<void> {
    const writer = this.#child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(`${line}\n`));
    writer.releaseLock();
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stdin.close().catch(() => {});
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.#child.status;
    await this.#reader.cancel().catch(() => {});
    await this.#complaint.catch(() => {});
  }
}

/** Starts a peer. One that listens does so when the promise resolves; its port is on the result. */
export async function startPeer(
  namespace: Namespace,
  role: "listen" | "connect",
  job: PeerJob,
  options: PeerOptions,
): Promise<Peer & { readonly port: number }> {
  const args: string[] = [role, job];
  for (const [name, value] of Object.entries(options)) {
    if (value === true) args.push(`--${name}`);
    else if (value !== false && value !== undefined) args.push(`--${name}`, String(value));
  }
  const child = namespace.spawn(["python3", PROGRAM, ...args], {
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  });
  const peer = new Peer(child);
  try {
    const port = role === "listen" ? (await peer.until("listening")).port : options.port ?? 0;
    return Object.assign(peer, { port });
  } catch (error) {
    await peer[Symbol.asyncDispose]();
    throw error;
  }
}
