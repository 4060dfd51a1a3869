/**
 * Random dialogues of one stack with a peer that keeps to the rules as far as its manners go, each derived from one seed. After each segment, deadline and
 * call of the application an {@linkcode Examiner} holds what must be so whatever the peer says:
 *
 * - nothing throws, no plugin is at fault; states move along RFC 9293 Figure 5;
 * - RCV.NXT, SND.UNA, SND.NXT and their counterparts at the data level never go back; neither does the right edge of the window, on the wire or within;
 * - nothing is sent beyond the window that was offered but a FIN; what is in flight, SACKed and lost adds up, chunk by chunk;
 * - no ACK, SACK block or DATA_ACK beyond what the peer has sent; the reader gets its bytes once, in order, and an end only where the peer has ended;
 * - what is outstanding has a deadline; timeouts stay within their bounds; one segment has few answers, a RST none, a stranger's at most one RST;
 * - when the peer falls silent, who waits is told within the user timeout, and everything is given back.
 */

import { reno } from "../../cc/mod.ts";
import type { ConnectionObserver, NetworkCode } from "../../core/connection/host.ts";
import type { MetaSocket } from "../../core/connection/meta_socket.ts";
import type { PluginFault } from "../../core/guard/faults.ts";
import type { Listener } from "../../core/host/listener.ts";
import { seededRandom } from "../../core/host/random.ts";
import { Stack } from "../../core/host/stack.ts";
import { StackError } from "../../core/host/stack_error.ts";
import type { Micros } from "../../core/plugin.ts";
import { MAX_RTO, MIN_RTO } from "../../core/subflow/rtt.ts";
import { DEFAULT_SETTINGS } from "../../core/subflow/settings.ts";
import {
  CLOSE_WAIT,
  CLOSED,
  CLOSING,
  ESTABLISHED,
  FIN_WAIT_1,
  FIN_WAIT_2,
  LAST_ACK,
  SYN_RECEIVED,
  SYN_SENT,
  TIME_WAIT,
} from "../../core/subflow/state.ts";
import type { Subflow } from "../../core/subflow/subflow.ts";
import { MP_CAPABLE, MP_JOIN, optionAt } from "../../core/wire/mptcp.ts";
import { fullMesh, passive } from "../../pm/mod.ts";
import { minRtt, redundant, roundRobin } from "../../sched/mod.ts";
import { i32, packet_alloc, packet_parse, u32, u8 } from "../../wasm/mod.ts";
import * as L from "../../wasm/layout.ts";
import { choose } from "../support/choices.ts";
import { ScriptedLink } from "../support/dialogue.ts";
import { Draws } from "../support/raw_packets.ts";
import type { Sent } from "../support/scripted_peer.ts";
import { Flow, type Made, type Manners, RandomPeer, Session, STREAMS } from "./random_peer.ts";

const BUFFER = packet_alloc(66048);
const JUNK = new Uint8Array(65536);
/** Most that an application of a dialogue writes. */
const MOST_WRITTEN = 500000;
/** The user timeout, what closing may take after it (docs/decisions.md), and the round that it is noticed in. */
const SILENCE: Micros = 300e6 + 60e6 + 5e6;
/** After close() of what is over: a FIN that nobody answers goes 8 times more, a minute apart in the end. */
const BURIAL: Micros = 10 * 60e6;
/** Most segments without payload that answer one segment on its flow: what it asks for, what was owed, a FIN. */
const MOST_ANSWERS = 3;
/** Deadlines that one wait of the dialogue may see. */
const MOST_DEADLINES = 3000;

/** Where each state may lead (RFC 9293 Figure 5), in one event or several. */
const WAYS: ReadonlyMap<number, readonly number[]> = new Map([
  [CLOSED, [CLOSED]],
  [SYN_SENT, [CLOSED, SYN_SENT, SYN_RECEIVED, ESTABLISHED, FIN_WAIT_1, CLOSE_WAIT, LAST_ACK]],
  [SYN_RECEIVED, [
    ...[CLOSED, SYN_RECEIVED, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2],
    ...[CLOSE_WAIT, CLOSING, LAST_ACK, TIME_WAIT],
  ]],
  [ESTABLISHED, [
    ...[CLOSED, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, CLOSING, LAST_ACK, TIME_WAIT],
  ]],
  [FIN_WAIT_1, [CLOSED, FIN_WAIT_1, FIN_WAIT_2, CLOSING, TIME_WAIT]],
  [FIN_WAIT_2, [CLOSED, FIN_WAIT_2, TIME_WAIT]],
  [CLOSE_WAIT, [CLOSED, CLOSE_WAIT, LAST_ACK]],
  [CLOSING, [CLOSED, CLOSING, TIME_WAIT]],
  [LAST_ACK, [CLOSED, LAST_ACK]],
  [TIME_WAIT, [CLOSED, TIME_WAIT]],
]);

/** Something that must be so is not. */
class Broken extends Error {}

function must(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Broken(what);
}

/** What a dialogue came to. */
export interface Verdict {
  /** Null: all held. */
  readonly wrong: string | null;
  /** Segments put in. */
  readonly segments: number;
  /** Bytes that readers got. */
  readonly read: number;
  /** States that subflows were seen in, as bits. */
  readonly states: number;
}

/** The application of a connection. */
class Reader implements ConnectionObserver {
  readonly socket: MetaSocket;
  readonly session: Session;
  written = 0;
  got = 0;
  code: NetworkCode | null | undefined;
  closed = false;
  discards = false;

  constructor(session: Session, make: (reader: Reader) => MetaSocket) {
    this.session = session;
    this.socket = make(this);
  }

  onEstablished(): void {}
  onReadable(): void {}
  onWritable(): void {}
  onClosed(code: NetworkCode | null): void {
    this.code = code;
  }
}

/** What was last seen of a subflow. */
interface Seen {
  state: number;
  una: number;
  nxt: number;
  rcvNxt: number;
  edge: number;
  /** Right edge of the peer's window. */
  allowed: number;
}

/** What was last seen of a connection. */
interface SeenData {
  una: number;
  nxt: number;
  rcvNxt: number;
  edge: number;
  fallback: boolean;
}

/** Compares what a subflow and a connection say of themselves with what they said before. */
class Examiner {
  readonly #subflows = new WeakMap<Subflow, Seen>();
  readonly #data = new WeakMap<MetaSocket, SeenData>();
  /** MPTCP is never offered. */
  readonly #plain: boolean;
  states = 0;

  constructor(plain: boolean) {
    this.#plain = plain;
  }

  /** Looks at a connection between two events. */
  look(meta: MetaSocket): void {
    if (meta.gone) return;
    for (const subflow of meta.attempts) if (subflow.ended === null) this.#subflow(subflow);
    const seen = this.#data.get(meta);
    const now: SeenData = {
      una: meta.dataUna,
      nxt: meta.dataNxt,
      rcvNxt: meta.dataRcvNxt,
      edge: meta.offered.edge,
      fallback: meta.fallback,
    };
    this.#data.set(meta, now);
    must(now.una <= now.nxt, `data: una ${now.una} > nxt ${now.nxt}`);
    if (seen === undefined) return;
    must(now.una >= seen.una, `data: una ${seen.una} -> ${now.una}`);
    // A DATA_FIN that counted is a FIN after a fallback.
    const fin = now.fallback && !seen.fallback ? 1 : 0;
    must(now.nxt >= seen.nxt - fin, `data: nxt ${seen.nxt} -> ${now.nxt}`);
    must(now.rcvNxt >= seen.rcvNxt - fin, `data: rcvNxt ${seen.rcvNxt} -> ${now.rcvNxt}`);
    must(now.edge >= seen.edge, `data: window edge ${seen.edge} -> ${now.edge}`);
  }

  #subflow(subflow: Subflow): void {
    const { sender, state } = subflow;
    const { board, rtt, window } = sender;
    this.states |= 1 << state;
    const seen = this.#subflows.get(subflow);
    const allowed = Math.max(seen?.allowed ?? 0, board.una + window.size);
    const now: Seen = {
      state,
      una: board.una,
      nxt: board.nxt,
      rcvNxt: subflow.receiver.nxt,
      edge: subflow.acks.edge,
      allowed,
    };
    this.#subflows.set(subflow, now);
    const { una, nxt, inFlight, sacked, lost } = board;
    must(
      una <= nxt && inFlight >= 0 && sacked >= 0 && lost >= 0,
      `una ${una} nxt ${nxt} sacked ${sacked} lost ${lost}`,
    );
    must(board.repeated <= board.pieces, `repeated ${board.repeated} of ${board.pieces}`);
    must(
      (board.nextLost() === null) === (lost === 0),
      `lost ${lost} and next ${board.nextLost()?.seq}`,
    );
    if (state >= ESTABLISHED && board.nextChunk - board.firstChunk <= 64) {
      let sum = 0;
      for (let serial = board.firstChunk; serial < board.nextChunk; serial++) {
        sum += Math.max(1, board.dataEnd(serial) - board.dataStart(serial));
      }
      must(sum === nxt - una, `chunks of ${sum} bytes between ${una} and ${nxt}`);
    }
    must(
      nxt === una || subflow.deadline < Infinity || subflow.outlet.blocked,
      `${nxt - una} outstanding in state ${state} without a deadline`,
    );
    must(
      rtt.rto >= MIN_RTO && rtt.rto <= MAX_RTO && rtt.srtt > 0,
      `rto ${rtt.rto} srtt ${rtt.srtt}`,
    );
    must(subflow.cwnd > 0 && !Number.isNaN(subflow.cwnd), `cwnd ${subflow.cwnd}`);
    if (state >= ESTABLISHED && this.#plain) {
      must(nxt <= allowed + 1, `nxt ${nxt} beyond the window that ends at ${allowed}`);
    }
    if (seen === undefined) return;
    must(WAYS.get(seen.state)!.includes(state), `state ${seen.state} -> ${state}`);
    must(una >= seen.una, `una ${seen.una} -> ${una}`);
    must(nxt >= seen.nxt, `nxt ${seen.nxt} -> ${nxt}`);
    must(now.rcvNxt >= seen.rcvNxt, `rcvNxt ${seen.rcvNxt} -> ${now.rcvNxt}`);
    must(now.edge >= seen.edge, `window edge ${seen.edge} -> ${now.edge}`);
  }
}

/** A segment that the stack sent, as far as the checks want it. */
interface Answer {
  readonly flow: Flow;
  readonly flags: number;
  readonly length: number;
}

/** One dialogue. */
class RandomDialogue {
  now: Micros = 1e6;
  readonly #draws: Draws;
  readonly #peer: RandomPeer;
  readonly #manners: Manners;
  readonly #stack: Stack;
  readonly #links: readonly ScriptedLink[];
  readonly #sent: Sent[] = [];
  readonly #faults: PluginFault[] = [];
  readonly #examiner: Examiner;
  readonly #flows = new Map<string, Flow>();
  readonly #readers: Reader[] = [];
  readonly #family: 4 | 6;
  readonly #listener: Listener;
  readonly #tell: (line: string) => void;
  #port = 20000;
  /** A link has refused packets. */
  #filled = false;
  segments = 0;

  constructor(seed: number, tell: (line: string) => void) {
    this.#tell = tell;
    const draws = this.#draws = new Draws(seed);
    const family = this.#family = draws.chance(0.7) ? 4 : 6;
    const mptcp = draws.chance(0.6);
    const turns = mptcp && draws.chance(0.4);
    this.#manners = {
      honest: draws.of([0.995, 0.97, 0.9, 0.7]),
      window: draws.of([65535, 65535, 3000, 400, 40]),
      timestamps: draws.chance(0.7),
      sack: draws.chance(0.7),
      scale: draws.of([-1, 0, 2, 7, 14]),
      mptcp,
      turns,
      lies: draws.chance(0.15),
      checksum: draws.chance(0.25),
      mss: draws.of([1460, 1460, 536, 88, 8960]),
    };
    this.#examiner = new Examiner(!mptcp);
    this.#peer = new RandomPeer(draws, this.#manners);
    const random = seededRandom(seed);
    const policies = {
      scheduler: draws.of([minRtt, roundRobin, redundant])(),
      pathManager: draws.chance(0.5) ? fullMesh() : passive(),
      congestionControl: reno(),
    };
    this.#stack = new Stack({
      policies,
      fallbacks: policies,
      random,
      report: (fault) => this.#faults.push(fault),
      ...choose({
        isn: draws.of([0xfffff000, 0x7ffff000, draws.word()]),
        receiveBuffer: draws.of([2000, 20000, 100000, 8388608]),
        sendBuffer: draws.of([5000, 100000]),
        checksum: draws.chance(0.3),
        dsn: draws.chance(0.2) ? "long" : "short",
        mptcp: mptcp && draws.chance(0.9),
      }),
      // The peer takes each SYN for a connection of its own: two of one race would be two.
      tcp: { ...DEFAULT_SETTINGS, connectionAttemptDelay: null, sack: draws.chance(0.85) },
    });
    const mtu = draws.of([1500, 1500, family === 4 ? 576 : 1280, 9000]);
    const most = draws.of([1, 1, 16]);
    this.#links = [0, 1].map((i) => new ScriptedLink(`link${i}`, this.#sent, mtu, most));
    this.#links.forEach((link, i) => {
      const address = family === 4 ? `10.0.${i}.1/24` : `fd00:0:0:${i}::1/64`;
      this.#stack.addLink(this.now, link, [address]);
    });
    this.#listener = this.#stack.listen(this.now, {
      port: 80,
      backlog: draws.of([1, 64]),
      observer: { onConnection: () => this.#accept() },
    });
  }

  /** Plays it to its end. */
  play(): Verdict {
    let wrong: string | null = null;
    try {
      this.#begin();
      for (let step = 15 + this.#draws.below(60); step > 0; step--) this.#step();
      this.#end();
    } catch (error) {
      wrong = error instanceof Broken ? error.message : String((error as Error).stack ?? error);
    }
    const read = this.#readers.reduce((sum, { got }) => sum + got, 0);
    this.#stack.free();
    return { wrong, segments: this.segments, read, states: this.#examiner.states };
  }

  /** Who calls first. */
  #begin(): void {
    if (this.#draws.chance(0.5)) this.#dial();
    else this.#call(null);
  }

  #dial(): void {
    const address = this.#family === 4 ? "10.0.0.2" : "fd00::2";
    try {
      const reader = new Reader(new Session(), (observer) =>
        this.#stack.connect(this.now, {
          remote: { address, port: 1000 + this.#draws.below(3) },
          observer,
        }));
      this.#readers.push(reader);
      this.#tell("application: connect");
      this.#examine("connect()");
    } catch (error) {
      if (!(error instanceof StackError)) throw error;
    }
  }

  /** A SYN of the peer: a connection of its own, or one more flow of `session`. */
  #call(session: Session | null): void {
    const draws = this.#draws;
    const link = session === null ? 0 : draws.below(2);
    const host = (last: number): number[] =>
      this.#family === 4
        ? [10, 0, link, last]
        : [0xfd, 0, 0, 0, 0, 0, 0, link, 0, 0, 0, 0, 0, 0, 0, last];
    const ends = {
      source: host(2),
      destination: host(1),
      sourcePort: this.#port++,
      destinationPort: draws.chance(0.98) ? 80 : 81,
    };
    const to = session ?? new Session();
    const flow = this.#flow(ends, link, to, "peer", session !== null, draws.word() | 0);
    this.#hear(flow);
  }

  #flow(
    ends: Flow["ends"],
    link: number,
    session: Session,
    opener: "stack" | "peer",
    join: boolean,
    iss: number,
  ): Flow {
    const place = [...this.#flows.values()].filter((flow) => flow.session === session).length;
    const { turns } = this.#manners;
    const shift = place === 0 || turns ? 0 : this.#draws.below(2000);
    const flow = new Flow({ ends, link, session, place, opener, join, iss, shift, turns });
    const { destination, destinationPort, source, sourcePort } = ends;
    this.#flows.set(`${link} ${destinationPort} ${sourcePort} ${destination} ${source}`, flow);
    return flow;
  }

  #step(): void {
    const draws = this.#draws;
    const kind = draws.below(100);
    const flows = [...this.#flows.values()];
    if (kind < 60 && flows.length > 0) {
      this.#hear(draws.chance(0.7) ? flows.at(-1)! : draws.of(flows));
    } else if (kind < 78) this.#act();
    else if (kind < 94) this.#pass(this.#while());
    else if (kind < 96) {
      const session = flows.length > 0 ? draws.of(flows).session : null;
      this.#call(session?.theirs === null || draws.chance(0.2) ? null : session);
    } else if (kind < 97) this.#dial();
    else if (kind < 98) this.#fill(draws.below(2), draws.chance(0.3));
    else if (flows.length > 0) {
      const flow = draws.of(flows);
      if (flow.last !== null) this.#inject(flow, flow.last);
      this.#flush();
      this.#examine("the same again");
    }
  }

  #while(): Micros {
    const draws = this.#draws;
    const kind = draws.below(20);
    if (kind < 14) return draws.below(30000);
    if (kind < 18) return draws.below(1e6);
    return kind === 18 ? draws.below(10e6) : draws.below(100e6);
  }

  /** A segment of the peer's on `flow`, sometimes two in one batch. */
  #hear(flow: Flow): void {
    const stranger = this.#stack.usage().flows === 0;
    const batch: Made[] = [];
    for (let more = true; more; more = this.#draws.chance(0.1)) {
      const made = this.#peer.next(flow, this.now);
      this.#tell(`peer: ${made.text}`);
      batch.push(made);
      this.segments++;
      this.#inject(flow, made.bytes);
      this.#look();
    }
    this.#flush();
    const answers = this.#examine("a segment").filter((answer) => answer.flow === flow);
    const bare = answers.filter(({ length }) => length === 0).length;
    must(bare <= MOST_ANSWERS * batch.length, `${bare} answers to ${batch.length} segments`);
    if (!batch.every(({ flags }) => flags & L.TCP_RST)) return;
    must(!answers.some(({ flags }) => flags & L.TCP_RST), "a RST answers a RST");
    if (stranger) must(answers.length === 0, "a stranger's RST is answered");
  }

  #inject(flow: Flow, bytes: Uint8Array): void {
    u8.set(bytes, BUFFER);
    const packet = { address: BUFFER, length: bytes.length, gsoSize: 0, verified: true };
    const before = this.#cookies();
    this.#stack.handlePacket(this.now, this.#links[flow.link]!, packet);
    if (this.#cookies() > before) this.#begun(flow);
  }

  /** Connections and joins that began with an ACK, by the cookie in it. */
  #cookies(): number {
    const { SyncookiesRecv = 0 } = this.#stack.counters.all();
    return SyncookiesRecv;
  }

  /** The ACK in `rx` was a third one to the stack: of a flow that begins there, and may have been there before with other numbers. */
  #begun(flow: Flow): void {
    const seq = i32[L.RX_SEQ]!;
    const length = u32[L.RX_LENGTH]!;
    // Its bytes, and whose they are at the data level, are others than were meant.
    this.#peer.lied = true;
    flow.restart(seq - 1 | 0, i32[L.RX_ACK]! - 1 | 0);
    flow.known = true;
    const fin = u32[L.RX_FLAGS]! & L.TCP_FIN ? 1 : 0;
    flow.came.add(1, 1 + length + fin);
    if (fin) flow.fins.add(1 + length);
    flow.top = 1 + length + fin;
    flow.session.acked = flow.session.edge = 0;
  }

  #fill(which: number, full: boolean): void {
    const link = this.#links[which]!;
    this.#tell(`${link.name} ${full ? "full" : "free"}`);
    link.full = full;
    this.#filled ||= full;
    if (!full) this.#stack.handleWritable(this.now, link);
    this.#flush();
    this.#examine("a link");
  }

  /** The application does something. */
  #act(): void {
    const draws = this.#draws;
    if (this.#readers.length === 0) return;
    const reader = draws.of(this.#readers);
    const { socket } = reader;
    if (reader.closed) return;
    const kind = draws.below(20);
    this.#tell(`application: ${kind}`);
    if (kind < 9) this.#write(reader, 1 + draws.below(draws.of([10, 3000, 40000])));
    else if (kind < 15) this.#read(reader, 1 + draws.below(draws.of([100, 65536])));
    else if (kind === 15) socket.setNoDelay(draws.chance(0.5));
    else if (kind === 16) socket.finish(this.now);
    else if (kind === 17 && draws.chance(0.3)) this.#close(reader);
    else if (kind === 18 && draws.chance(0.2)) {
      socket.abort(this.now);
      this.#close(reader);
    } else if (kind === 19 && draws.chance(0.2)) {
      reader.discards = true;
      socket.discard(this.now);
    }
    this.#flush();
    this.#examine("the application");
  }

  #write(reader: Reader, length: number): void {
    const from = 1 + reader.written;
    const to = Math.min(from + length, MOST_WRITTEN);
    reader.written += reader.socket.write(this.now, STREAMS.stack.subarray(from, to), 0);
  }

  #read(reader: Reader, most: number): void {
    const { socket, session } = reader;
    const length = socket.read(this.now, JUNK.subarray(0, most));
    const from = 1 + reader.got;
    reader.got += length;
    const right = STREAMS.peer;
    // In turns after a fallback the bytes are taken for others than they are.
    if (!this.#peer.lied && !(this.#manners.turns && socket.fallback) && !reader.discards) {
      for (let i = 0; i < length; i++) {
        must(JUNK[i] === right[from + i], `byte ${from + i} is not what was sent`);
      }
    }
    if (!socket.atEnd || this.#peer.lied || reader.discards || reader.closed || socket.code) return;
    // So may their end be, then.
    if (this.#manners.turns && socket.fallback) return;
    const end = reader.got + 1;
    const fins = [...this.#flows.values()].some((flow) =>
      flow.session === session && (flow.fins.has(end) || flow.before.has(end))
    );
    must(
      fins || session.fin === end || session.past,
      `the end at ${end}, where the peer has not ended`,
    );
  }

  #close(reader: Reader): void {
    reader.closed = true;
    reader.socket.close(this.now);
  }

  /** The SYN/ACK of a connection in the place of the first may not have left, as the link was full. */
  #answerUnseen(flow: Flow): boolean {
    return this.#filled && [...flow.syns].some((at) => at !== 0);
  }

  #accept(): void {
    for (let socket = this.#listener.accept(); socket !== null; socket = this.#listener.accept()) {
      const { port } = socket.remoteEndpoint;
      const flow = [...this.#flows.values()].find(({ ends }) => ends.sourcePort === port);
      const given = socket;
      // Which of the SYNs was taken its SYN/ACK has told, which did not leave: nor is it known which byte is the first.
      if (flow !== undefined && this.#answerUnseen(flow)) this.#peer.lied = true;
      const reader = new Reader(flow?.session ?? new Session(), () => given);
      socket.observe(reader);
      this.#readers.push(reader);
    }
  }

  #flush(): void {
    this.#stack.flush(this.now);
  }

  /** Lets time pass. */
  #pass(time: Micros): void {
    this.#tell(`${this.now} + ${time} us`);
    const stack = this.#stack;
    const until = this.now + time;
    let deadlines = 0;
    for (let next = stack.pollTimeout(); next <= until; next = stack.pollTimeout()) {
      this.now = Math.max(this.now, next);
      stack.handleTimeout(this.now);
      this.#flush();
      this.#examine("a deadline");
      must(++deadlines < MOST_DEADLINES, `more than ${MOST_DEADLINES} deadlines in ${time} us`);
    }
    this.now = until;
  }

  #look(): void {
    for (const { socket } of this.#readers) this.#examiner.look(socket);
  }

  /** After an event: what was sent, and what all say of themselves. */
  #examine(event: string): Answer[] {
    must(this.#faults.length === 0, `after ${event}: ${this.#faults[0]?.error}`);
    this.#look();
    const answers: Answer[] = [];
    for (const { bytes, link } of this.#sent.splice(0)) {
      answers.push(this.#take(bytes, Number(link.at(-1))));
    }
    return answers;
  }

  /** A packet that the stack sent. */
  #take(bytes: Uint8Array, link: number): Answer {
    u8.set(bytes, BUFFER);
    must(packet_parse(0, BUFFER, bytes.length, 0) === L.PARSE_OK, "a malformed packet was sent");
    const flags = u32[L.RX_FLAGS]!;
    const length = u32[L.RX_LENGTH]!;
    const flow = this.#flowOf(link, flags);
    if (flags & L.TCP_RST) {
      this.#tell(`stack: ${flow.ends.sourcePort} < R`);
      return { flow, flags, length };
    }
    if (flags & L.TCP_SYN) {
      flow.shakes(this.#manners);
      // A SYN without its option made a connection of its own out of a join.
      if (flow.join && !flow.mptcp) this.#peer.lied = true;
    }
    if (!(flags & L.TCP_SYN) && flow.opener === "stack" && flow.acked === 0) this.#thirdAck(flow);
    const seq = i32[L.RX_SEQ]! - flow.irs | 0;
    const ack = i32[L.RX_ACK]! - flow.iss | 0;
    this.#tell(
      `stack: ${flow.ends.sourcePort} < flags ${flags} ${seq}:${seq + length} ack ${ack} win ${
        u32[L.RX_WINDOW]
      }`,
    );
    if (flags & L.TCP_ACK) this.#acknowledges(flow, ack, flags);
    flow.hears();
    this.#data(flow, seq + (flags & L.TCP_SYN ? 1 : 0), length);
    return { flow, flags, length };
  }

  #flowOf(link: number, flags: number): Flow {
    const localPort = u32[L.RX_SOURCE_PORT]!;
    const remotePort = u32[L.RX_DEST_PORT]!;
    const words = this.#family === 4 ? 4 : 16;
    const source = [...u8.subarray(L.RX_DEST << 2, (L.RX_DEST << 2) + words)];
    const destination = [...u8.subarray(L.RX_SOURCE << 2, (L.RX_SOURCE << 2) + words)];
    const at = `${localPort} ${remotePort} ${destination} ${source}`;
    // The way back may be the other link.
    const known = this.#flows.get(`${link} ${at}`) ?? this.#flows.get(`${1 - link} ${at}`);
    const opens = (flags & (L.TCP_SYN | L.TCP_ACK)) === L.TCP_SYN;
    if (known !== undefined && !(opens && known.irs !== i32[L.RX_SEQ])) return known;
    must(opens, `a segment to port ${remotePort} of link ${link}, whose SYN was not seen`);
    const ends = { source, destination, sourcePort: remotePort, destinationPort: localPort };
    const join = optionAt(MP_JOIN) !== 0;
    const reader = this.#readers.find(({ socket }) =>
      socket.attempts.some(({ local, remote }) =>
        local.port === localPort && remote.port === remotePort
      )
    );
    const session = reader?.session ?? new Session();
    const flow = this.#flow(ends, link, session, "stack", join, this.#draws.word() | 0);
    return flow;
  }

  /** The first ACK of the stack to a SYN/ACK: one with another number than was meant may have been taken. */
  #thirdAck(flow: Flow): void {
    const at = (i32[L.RX_ACK]! - flow.iss | 0) - 1;
    if (at === 0 || !flow.syns.has(at)) return;
    this.#peer.lied = true;
    flow.restart(flow.iss + at | 0, flow.irs);
    flow.got.add(0, 1);
  }

  /** What a segment of the stack acknowledges. */
  #acknowledges(flow: Flow, ack: number, flags: number): void {
    // Its SYN/ACK did not leave, as the link was full; or that of a connection which took the place of the first did not.
    if (!flow.known || this.#answerUnseen(flow)) return;
    must(flow.came.end(0) >= ack, `ACK ${ack}, where only ${flow.came.end(0)} came`);
    must(ack >= flow.acked, `ACK ${ack} after ${flow.acked}`);
    flow.acked = ack;
    const options = u32[L.RX_OPTIONS]!;
    if (options & L.OPTION_SACK) {
      for (let i = 0; i < u32[L.RX_SACK_COUNT]!; i++) {
        const left = i32[L.RX_SACK + 2 * i]! - flow.iss | 0;
        const right = i32[L.RX_SACK + 2 * i + 1]! - flow.iss | 0;
        must(
          left < right && flow.came.has(left, right),
          `SACK ${left}:${right} of what did not come`,
        );
      }
    }
    // The window of a SYN has no scale, so that it may tell less than what follows (RFC 7323 §2.2).
    if (flags & L.TCP_SYN) return;
    const unit = flow.scaled ? 2 ** flow.theirScale : 1;
    const window = u32[L.RX_WINDOW]! * unit;
    const dss = options & L.OPTION_DSS ? u32[L.RX_DSS_FLAGS]! : 0;
    if (!this.#manners.mptcp) {
      // Rounded up, it may lie a unit further to the left than it was (RFC 7323 §2.4).
      must(ack + window > flow.edge - unit, `right edge ${flow.edge} -> ${ack + window}`);
      flow.edge = Math.max(flow.edge, ack + window);
    } else if (dss & L.DSS_DATA_ACK) {
      const { session } = flow;
      const acked = i32[L.RX_DATA_ACK_LOW]! - session.ours.idsn.low | 0;
      must(acked >= session.acked, `DATA_ACK ${acked} after ${session.acked}`);
      session.acked = acked;
      // A subflow without a scale, as after a cookie, cannot tell more than that.
      const most = u32[L.RX_WINDOW]! === 65535;
      must(
        acked + window > session.edge - unit || most,
        `shared right edge ${session.edge} -> ${acked + window}`,
      );
      session.edge = Math.max(session.edge, acked + window);
      if (!this.#peer.lied) {
        must(
          session.came.end(1) >= acked,
          `DATA_ACK ${acked}, where only ${session.came.end(1)} came`,
        );
      }
    }
  }

  /** Payload and DATA_FIN of a segment of the stack: only bytes that were written, in their places. */
  #data(flow: Flow, seq: number, length: number): void {
    const { session } = flow;
    const options = u32[L.RX_OPTIONS]!;
    const dss = options & L.OPTION_DSS ? u32[L.RX_DSS_FLAGS]! : 0;
    let first = -1;
    if (dss & L.DSS_MAPPING && session.theirs !== null) {
      const data = i32[L.RX_DSN_LOW]! - session.theirs.idsn.low | 0;
      const ssn = u32[L.RX_SSN]!;
      if (dss & L.DSS_DATA_FIN) {
        const fin = data + u32[L.RX_DATA_LENGTH]! - 1;
        session.got.add(fin, fin + 1);
      }
      if (ssn > 0) first = data + seq - ssn;
    } else if (!flow.mptcp) first = seq;
    else if (optionAt(MP_CAPABLE) !== 0) first = seq;
    if (length === 0 || first < 0) return;
    session.got.add(first, first + length);
    const from = u32[L.RX_PAYLOAD]!;
    for (let i = 0; i < length; i++) {
      must(
        u8[from + i] === STREAMS.stack[first + i],
        `sent byte ${first + i} is not what was written`,
      );
    }
  }

  /** The peer says nothing more. */
  #end(): void {
    const draws = this.#draws;
    for (let i = 0; i < this.#links.length; i++) this.#fill(i, false);
    // Who has something on its way waits for the peer; who has not may wait for ever.
    for (const reader of this.#readers) {
      if (reader.closed) continue;
      if (draws.chance(0.5)) this.#close(reader);
      else this.#write(reader, 1);
    }
    const waits = this.#readers.filter(({ socket, closed }) =>
      !closed && socket.established && !socket.closed && socket.unacked + socket.unsent > 0
    );
    this.#flush();
    this.#examine("the end");
    this.#pass(SILENCE);
    for (const { code, socket } of waits) {
      const waits = socket.unacked + socket.unsent > 0;
      must(
        code !== undefined || !waits,
        `not told: ${socket.unacked} unacknowledged, ${socket.unsent} unsent`,
      );
    }
    for (const reader of this.#readers) {
      this.#read(reader, JUNK.length);
      if (!reader.closed) this.#close(reader);
    }
    this.#listener.close(this.now);
    this.#flush();
    this.#examine("close()");
    this.#pass(BURIAL);
    const left = Object.entries(this.#stack.usage()).filter(([, count]) => count > 0);
    must(left.length === 0, `left over: ${left.map(([name, n]) => `${n} ${name}`).join(", ")}`);
  }
}

/** Plays the dialogue of a seed. */
export function playDialogue(seed: number, tell: (line: string) => void = () => {}): Verdict {
  return new RandomDialogue(seed, tell).play();
}
