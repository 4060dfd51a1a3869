/** TIME-WAIT: answers what comes again, and holds nothing of its connection (RFC 9293 §3.6, §3.10.7). */

import { memory_free } from "../../wasm/mod.ts";
import { DSS_DATA_ACK, TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from "../../wasm/layout.ts";
import type { Endpoint, Micros } from "../plugin.ts";
import { type OptionPlan, planOptions } from "../wire/option_space.ts";
import { inOnePiece } from "../wire/packet.ts";
import { rx, tx } from "../wire/segment.ts";
import { distance32, type InitialDsn } from "../wire/seq.ts";
import { Challenges } from "./challenges.ts";
import type { Outlet, SubflowHost, Timed } from "./shared.ts";
import { type ReceiveWindow, windowField } from "./receive_window.ts";
import type { Timestamps } from "./timestamps.ts";

/** Twice the longest life of a segment in the network, as Linux has it (RFC 9293 §3.4.2 speaks of 2 minutes for one). */
export const TIME_WAIT_LENGTH: Micros = 60e6;

/** How long a flow stays in TIME-WAIT at least before one of ours takes its place. */
const REUSE_AFTER: Micros = 1e6;

const plan: OptionPlan = { timestamps: false, dss: 0, sack: 0, size: 0 };

/** What a subflow leaves behind; numbers as on the wire. */
export interface TimeWaitState {
  readonly host: SubflowHost;
  readonly outlet: Outlet;
  readonly local: Endpoint;
  /** Address of its KEY record; freed with it. */
  readonly key: number;
  /** Value in the flow table. */
  readonly flow: number;
  /** SND.NXT. */
  readonly seq: number;
  /** RCV.NXT. */
  readonly ack: number;
  /** The window of the connection, which its reader still opens: `next` is where it counts from, `scale` its shift. */
  readonly offered: ReceiveWindow;
  readonly next: number;
  readonly scale: number;
  /** Bytes that the window allows beyond RCV.NXT. */
  readonly room: number;
  readonly timestamps: Timestamps;
  /** DSS_* flags of the DATA_ACK, 0 without one, and its number. */
  readonly dss: number;
  readonly dataAck: InitialDsn;
}

/** One flow in TIME-WAIT. */
export class TimeWait implements Timed {
  deadline: Micros = Infinity;
  queuedAt: Micros = Infinity;
  readonly #state: TimeWaitState;
  #challenges: Challenges | null = null;

  /** Begins; the host is told by the subflow. */
  constructor(state: TimeWaitState) {
    this.#state = state;
  }

  /** Its value in the flow table. */
  get flow(): number {
    return this.#state.flow;
  }

  /** Address of its KEY record. */
  get key(): number {
    return this.#state.key;
  }

  /** Local end. */
  get local(): Endpoint {
    return this.#state.local;
  }

  /** Answers the segment in `rx`; the wait goes on, begins again, or is over. */
  arrive(now: Micros): "done" | "again" | "over" {
    const { host, ack, seq, room, timestamps } = this.#state;
    const { flags } = rx;
    const rst = (flags & TCP_RST) !== 0;
    if (!rst && timestamps.old(false, now)) {
      host.count("PAWSEstab");
      return this.#unacceptable(now);
    }
    const fin = (flags & TCP_FIN) !== 0;
    const from = distance32(rx.seq, ack);
    if (from + rx.length + (fin ? 1 : 0) < 0 || from > room) {
      return rst ? "done" : this.#unacceptable(now);
    }
    if (rst) return from === 0 ? "over" : this.#challenge(now);
    if ((flags & TCP_SYN) !== 0) return this.#challenge(now);
    if ((flags & TCP_ACK) === 0) return "done";
    if (distance32(rx.ack, seq) > 0) return this.#challenge(now);
    if (timestamps.on && rx.hasTimestamps && from <= 0) timestamps.take(false, now);
    if (rx.length > Math.max(0, room - from)) {
      this.#acknowledge(now);
      return "done";
    }
    if (!fin) return "done";
    // The peer has not seen our last ACK (RFC 9293 §3.10.7.4, eighth).
    this.#acknowledge(now);
    return "again";
  }

  /** Whether a flow of ours with the same ends may begin: in a second its timestamps have gone beyond all that the peer has seen (RFC 6191 §2, Linux tcp_tw_reuse). */
  mayBeReused(now: Micros): boolean {
    return this.#state.timestamps.on && now - (this.deadline - TIME_WAIT_LENGTH) >= REUSE_AFTER;
  }

  /**
   * Whether the SYN in `rx` is newer than all that came before: by its timestamp, and without one, or where it is the same, by its sequence number
   * (RFC 9293 §3.10.7.4, fourth; RFC 6191 §2).
   */
  get outdated(): boolean {
    const { timestamps, ack } = this.#state;
    const age = timestamps.on && rx.hasTimestamps ? distance32(rx.tsval, timestamps.recent) : 0;
    return age === 0 ? distance32(rx.seq, ack) > 0 : age > 0;
  }

  /** It has answered long enough. */
  fire(): void {
    this.#state.host.forget(this.#state.flow);
  }

  /** Gives its flow key back; nothing can be sent after it. */
  free(): void {
    memory_free(this.#state.key);
  }

  /** What came before, or cannot be, is acknowledged: with something in it always, it may be repeated for want of our ACK; else within the limit. */
  #unacceptable(now: Micros): "done" {
    if (rx.hasText) {
      this.#acknowledge(now);
      return "done";
    }
    return this.#challenge(now);
  }

  #challenge(now: Micros): "done" {
    const { host } = this.#state;
    this.#challenges ??= new Challenges();
    if (this.#challenges.take(now)) {
      host.count("TCPChallengeACK");
      this.#acknowledge(now);
    } else {
      host.count("TCPACKSkippedChallenge");
    }
    return "done";
  }

  #acknowledge(now: Micros): void {
    const { host, outlet, key, seq, ack, offered, next, scale, timestamps, dss, dataAck } =
      this.#state;
    const { out } = host;
    tx.begin();
    const wish = {
      timestamps: timestamps.on,
      dss,
      checksum: false,
      dataAckMoved: true,
      sack: 0,
      raw: 0,
    };
    planOptions(wish, plan);
    tx.header(seq, ack, TCP_ACK, windowField(offered.size(next), scale));
    if (plan.timestamps) tx.timestamps(timestamps.value(now), timestamps.recent);
    tx.plan(plan);
    if (plan.dss & DSS_DATA_ACK) tx.dataAckWords(dataAck);
    inOnePiece(out, 0);
    tx.build(key, out, outlet.checksumMode);
    outlet.send(out);
  }
}
