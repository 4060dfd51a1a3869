/** What `--pcap` and `--qlog` write of a host, while it runs. */

import { tap } from "../core/link/tap.ts";
import type { Host, HostInterface, Micros, Probe } from "../mod.ts";
import { EventLog } from "../sim/event_log.ts";
import { PcapWriter } from "../sim/pcapng.ts";
import { ChunkedFile } from "./chunked_file.ts";

/** Milliseconds after which what is kept is written: what was not, a program that is killed takes with it. */
const FLUSH = 100;
/** Most connections whose keys wait for a packet that they can stand at. */
const MOST_WAITING = 1024;
/** Packets and keys are nobody else's to read. */
const OWNER_ONLY = 0o600;

/** Ports of a packet of the stack, which has no extension headers: "SOURCE DESTINATION". */
function portsOf(bytes: Uint8Array): string {
  const at = bytes[0]! >> 4 === 4 ? (bytes[0]! & 15) * 4 : 40;
  const port = (from: number): number => bytes[from]! << 8 | bytes[from + 1]!;
  return `${port(at)} ${port(at + 2)}`;
}

function hex({ high, low }: { readonly high: number; readonly low: number }): string {
  return [high, low].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
}

/** Microseconds since 1970 at the time 0 of a clock that shows `now`. */
function epochOf(now: Micros): number {
  return (performance.timeOrigin + performance.now()) * 1000 - now;
}

/** Captures of one host. */
export class Capture implements Disposable {
  readonly #packets: PcapWriter | null;
  readonly #events: { readonly file: ChunkedFile; readonly name: string } | null;
  readonly #files: ChunkedFile[] = [];
  readonly #timer: ReturnType<typeof setInterval>;
  #epoch: number | null = null;
  #unwatch = (): void => {};
  /** Keys of connections that have just agreed on MPTCP, by the ports of their packets. */
  readonly #keys = new Map<string, string>();

  /**
   * Makes the files that are named.
   *
   * @param name What the host is called in them.
   * @param failed Told when one of them takes no more.
   */
  constructor(
    name: string,
    pcap: string | undefined,
    qlog: string | undefined,
    failed: (text: string) => void,
  ) {
    const open = (path: string): ChunkedFile => {
      const end = (error: Error): void => failed(`${path} ends here: ${error.message}`);
      const file = new ChunkedFile(path, end, OWNER_ONLY);
      this.#files.push(file);
      return file;
    };
    const packets = pcap === undefined ? null : open(pcap);
    this.#packets = packets && new PcapWriter((block) => packets.write(block));
    this.#events = qlog === undefined ? null : { file: open(qlog), name };
    this.#timer = setInterval(() => this.#files.forEach((file) => file.flush()), FLUSH);
    Deno.unrefTimer(this.#timer);
  }

  /** The interfaces that the host is to be opened with. */
  interfaces(those: readonly HostInterface[]): HostInterface[] {
    const packets = this.#packets;
    if (packets === null) return [...those];
    return those.map(({ link, ...more }) => ({
      ...more,
      link: tap(link, (name, now, direction, bytes) => {
        this.#epoch ??= epochOf(now);
        const comment = this.#keys.size === 0 ? undefined : this.#take(portsOf(bytes));
        const notes = { direction, ...(comment !== undefined && { comment }) };
        packets.add(name, this.#epoch + now, bytes, notes);
      }),
    }));
  }

  /** Begins to write of `host`, which was opened with them. */
  begin(host: Host): void {
    const ends: (() => void)[] = [];
    if (this.#events !== null) {
      const { file, name } = this.#events;
      const began = new Date(epochOf(host.now) / 1000);
      const log = new EventLog(name, `mptcp ${name}`, (text) => file.write(text), began);
      ends.push(host.watch(log.probe));
    }
    if (this.#packets !== null) ends.push(host.watch(this.#watchKeys(host)));
    this.#unwatch = () => ends.forEach((end) => end());
  }

  /** Notes the keys of each connection when both are known. */
  #watchKeys(host: Host): Probe {
    return {
      modeChanged: (_now, id, mode) => {
        if (mode !== "mptcp") return;
        for (const { id: other, keys, attempts: [first] } of host.living) {
          if (other !== id || first === undefined) continue;
          const { local, remote } = first;
          const token = (keys.token >>> 0).toString(16).padStart(8, "0");
          const text = `MPTCP connection ${id}: key of ${local.address}:${local.port} ${
            hex(keys.own)
          }, key of ${remote.address}:${remote.port} ${hex(keys.peer)}, token ${token}`;
          if (this.#keys.size < MOST_WAITING) this.#keys.set(`${local.port} ${remote.port}`, text);
        }
      },
    };
  }

  #take(ports: string): string | undefined {
    const text = this.#keys.get(ports);
    this.#keys.delete(ports);
    return text;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#unwatch();
    for (const file of this.#files) file[Symbol.dispose]();
  }
}
