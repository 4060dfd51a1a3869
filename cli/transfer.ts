/** One transfer between two emulated hosts, measured. */

import {
  emulate,
  type EmulateOptions,
  type FaultReport,
  type Micros,
  type MptcpConn,
  type PathOptions,
  type Policies,
} from "../mod.ts";
import { Digest, TestData } from "./data.ts";
import { PathFigures } from "./figures.ts";
import type { Run, Sent } from "./plot.ts";
import { positionOf } from "./sequence.ts";

/** What is transferred, and over what. */
export interface TransferOptions {
  /** Name of the transfer. */
  readonly name: string;
  /** The paths by name. */
  readonly paths: Readonly<Record<string, PathOptions>>;
  /** Plugins; the defaults for those not named. */
  readonly policies: Policies;
  /** Bytes to send. */
  readonly size: number;
  /** Seed of the network and of the data. */
  readonly seed: number;
  /** Plain TCP in place of MPTCP. */
  readonly plain?: boolean;
  /** Cuts a path for a while once half of the data has come. */
  readonly cut?: { readonly path: string; readonly time: Micros };
  /** Told what plugins do wrong. */
  readonly onPluginFault?: FaultReport;
  /** Called from time to time. */
  readonly onProgress?: (received: number, elapsed: Micros, figures: PathFigures) => void;
}

/** What came of a transfer. */
export interface TransferResult extends Run {
  /** Bytes that came. */
  readonly received: number;
  /** From the first byte asked for to the last one read. */
  readonly time: Micros;
  /** The longest time during which nothing came. */
  readonly stall: Micros;
  /** Bytes that were sent more than once. */
  readonly repeated: number;
  /** What each path carried, repeated bytes included. */
  readonly shares: readonly { readonly name: string; readonly bytes: number }[];
  /** Payload of a full segment, in bytes. */
  readonly segment: number;
  /** Whether the bytes that came are those that were sent. */
  readonly intact: boolean;
  /** SHA-256 of the bytes that came. */
  readonly sha256: string;
}

/** Bytes of one write. */
const CHUNK = 65536;
/** Real time between two calls of `onProgress`, in milliseconds. */
const REFRESH = 50;

/** Notes which packet carried what when, by the name of its link. */
class Recorder {
  readonly sent: Sent[] = [];
  #first = -1;

  /** Sees one packet of the sender's. */
  note(at: Micros, path: string, bytes: Uint8Array): void {
    const position = positionOf(bytes);
    if (position === null) return;
    if (this.#first < 0) this.#first = position.sequence;
    // Sequence numbers wrap; positions are below 2^31 here.
    this.sent.push({ at, path, offset: (position.sequence - this.#first) >>> 0 });
  }
}

async function send(conn: MptcpConn, data: TestData, size: number): Promise<string> {
  const digest = new Digest();
  const chunk = new Uint8Array(CHUNK);
  for (let left = size; left > 0; left -= Math.min(left, CHUNK)) {
    const part = chunk.subarray(0, Math.min(left, CHUNK));
    data.fill(part);
    digest.update(part);
    await conn.write(part);
  }
  await conn.closeWrite();
  return digest.hex();
}

/** Transfers `size` bytes from the server to the client and measures. */
export async function transfer(options: TransferOptions): Promise<TransferResult> {
  const { name, paths, policies, size, seed, plain = false, cut, onPluginFault, onProgress } =
    options;
  const recorder = new Recorder();
  const emulation: EmulateOptions = {
    ...policies,
    paths,
    seed,
    ...(plain ? { mptcp: false } : {}),
    ...(onPluginFault && { onPluginFault }),
    // The server's packets, as they enter the path on the router's far side.
    trace: ({ event, at, link, from, bytes }) => {
      if (event === "send" && from === "router" && link !== "server") {
        recorder.note(at, link, bytes);
      }
    },
  };
  await using net = emulate(emulation);
  using listener = net.server.listen({ port: 80 });
  const [conn, peer] = await Promise.all([
    net.client.connect({ hostname: "server", port: 80 }),
    listener.accept(),
  ]);
  const figures = new PathFigures(conn, "received", net.now);
  const senders = new PathFigures(peer, "sent", net.now);
  const sending = send(peer, new TestData(seed), size);
  sending.catch(() => {}); // it is awaited below; until then its failure has a reader

  const digest = new Digest();
  const buffer = new Uint8Array(4 * CHUNK);
  const start = net.now;
  let received = 0;
  let last = start;
  let stall = 0;
  let shown = performance.now();
  let cutting: { path: string; from: Micros; to: Micros } | undefined;
  for (;;) {
    const count = await conn.read(buffer);
    if (count === null) break;
    digest.update(buffer.subarray(0, count));
    received += count;
    stall = Math.max(stall, net.now - last);
    last = net.now;
    if (cut !== undefined && cutting === undefined && received >= size / 2) {
      const path = net.path(cut.path);
      path.cut();
      cutting = { path: cut.path, from: net.now - start, to: net.now - start + cut.time };
      net.sleep(`${cut.time} us`).then(() => path.restore(), () => {});
    }
    if (performance.now() - shown >= REFRESH) {
      shown = performance.now();
      figures.sample(net.now);
      senders.sample(net.now);
      onProgress?.(received, net.now - start, figures);
    }
  }
  figures.sample(net.now);
  senders.sample(net.now);
  onProgress?.(received, net.now - start, figures);
  const sha256 = digest.hex();
  const result: TransferResult = {
    name,
    received,
    time: last - start,
    stall,
    repeated: senders.repeated,
    shares: figures.bytes,
    segment: senders.segment,
    intact: received === size && sha256 === await sending,
    sha256,
    sent: recorder.sent.map(({ at, ...rest }) => ({ at: at - start, ...rest })),
    ...(cutting === undefined ? {} : { cut: cutting }),
  };
  conn.close();
  peer.close();
  return result;
}
