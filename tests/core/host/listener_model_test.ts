import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Listener } from "../../../core/host/listener.ts";
import type { SynCookieMode } from "../../../core/subflow/settings.ts";
import { Dialogue } from "../../support/dialogue.ts";
import * as fc from "../../support/property.ts";
import type { Peer } from "../../support/scripted_peer.ts";

const NOTHING = { connections: 0, tokens: 0, flows: 0, timers: 0, handles: 0, pages: 0 };
const PEERS = 6;

type Step = "syn" | "ack" | "odd ack" | "rst" | "accept" | "wait";

/** What a listener does, told in lists. */
class Model {
  readonly half: number[] = [];
  readonly waiting: number[] = [];
  /** Connections that are open, accepted or not. */
  readonly open = new Set<number>();
  /** Peers whose last SYN/ACK had the number of a cookie that is good. */
  readonly cookies = new Set<number>();
  /** Peers whose last SYN/ACK had the key of a connection that was reset and still waits: MPTCP outlives its subflow, and two cannot have one token. */
  readonly taken = new Set<number>();
  /** Peers whose last SYN/ACK had no key, as another of theirs had the token. */
  readonly plain = new Set<number>();
  /** Some may be acknowledged still: what is kept has such a number, too, as its SYN may have been answered by a cookie before. */
  #awaited = false;

  constructor(
    readonly backlog: number,
    readonly synBacklog: number,
    readonly mode: SynCookieMode,
    readonly mptcp: boolean,
  ) {}

  syn(peer: number): void {
    if (this.open.has(peer) || this.half.includes(peer)) return;
    if (this.waiting.length >= this.backlog) return;
    const full = this.half.length >= this.synBacklog;
    if (this.taken.delete(peer)) this.plain.add(peer);
    if (this.mode === "always" || (this.mode === "pressure" && full)) {
      this.cookies.add(peer);
      this.#awaited = true;
    } else if (!full) {
      if (this.#awaited) this.cookies.add(peer);
      else this.cookies.delete(peer);
      this.half.push(peer);
    }
  }

  ack(peer: number): void {
    const at = this.half.indexOf(peer);
    if (this.open.has(peer) || (at < 0 && !this.cookies.has(peer))) return;
    if (at < 0 && this.taken.has(peer)) return;
    if (this.waiting.length >= this.backlog) return;
    if (at >= 0) this.half.splice(at, 1);
    this.waiting.push(peer);
    this.open.add(peer);
  }

  rst(peer: number): void {
    const at = this.half.indexOf(peer);
    if (at >= 0) this.half.splice(at, 1);
    // What waits is still given out: the application hears of its end then.
    if (this.open.delete(peer) && this.mptcp && !this.plain.has(peer)) {
      if (this.waiting.includes(peer)) this.taken.add(peer);
    }
  }

  /** What waits is accepted, and aborted. One that was reset may wait before a later connection of the same peer, by the same cookie. */
  accepted(peer: number): void {
    if (!this.waiting.includes(peer)) this.open.delete(peer);
    this.taken.delete(peer);
    if (!this.waiting.includes(peer)) this.plain.delete(peer);
  }

  /** Long enough for everything half-open to be given up. */
  wait(): void {
    this.half.length = 0;
    this.cookies.clear();
    this.#awaited = false;
  }
}

/** The listener and its peers. */
class Real implements Disposable {
  readonly d: Dialogue;
  readonly listener: Listener;
  readonly peers: readonly Peer[];

  readonly mptcp: boolean;
  /** Peers whose last SYN/ACK had no key: who goes on then speaks plain TCP. */
  readonly #plain = new Set<Peer>();

  constructor({ backlog, synBacklog, mode, mptcp }: Model) {
    this.mptcp = mptcp;
    this.d = new Dialogue({ tcp: { synBacklog, synCookies: mode } });
    this.listener = this.d.listen(80, backlog);
    this.peers = Array.from({ length: PEERS }, () => this.d.peer());
  }

  [Symbol.dispose](): void {
    this.d[Symbol.dispose]();
  }

  /** The port of what is accepted; it is aborted. */
  accept(): number | undefined {
    const socket = this.listener.accept();
    if (socket === null) return undefined;
    const { port } = socket.remoteEndpoint;
    socket.abort(this.d.now);
    socket.close(this.d.now);
    this.d.stack.flush(this.d.now);
    return port;
  }

  step(step: Step, peer: Peer): void {
    if (step === "syn") peer.offers({ timestamps: false }, "S", this.mptcp ? ["mpc"] : []);
    else if (step === "ack") {
      const speaks = this.mptcp && !this.#plain.has(peer);
      peer.sends(speaks ? ". 1 ack 1 <mpc keys>" : ". 1 ack 1");
    } else if (step === "odd ack") peer.sends(". 1 ack 3");
    else if (step === "rst") peer.sends("R 1");
    else this.d.pass(200e6);
    // Learns the numbers of a SYN/ACK.
    for (const each of this.peers) {
      for (const { flags, options } of each.takeAll()) {
        if (!flags.startsWith("S")) continue;
        if (options.some((option) => option.startsWith("mpc"))) this.#plain.delete(each);
        else this.#plain.add(each);
      }
    }
  }
}

const steps = fc.array(
  fc.tuple(
    fc.constantFrom<Step>("syn", "syn", "syn", "ack", "ack", "odd ack", "rst", "accept", "wait"),
    fc.nat({ max: PEERS - 1 }),
  ),
  { maxLength: 60, size: "max" },
);

describe("a listener, whatever order SYNs, ACKs and RSTs come in", () => {
  it("does what a model of lists does: the right ones are half open, and given out in the order of their third ACKs", () => {
    fc.assert(fc.property(
      steps,
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 3 }),
      fc.constantFrom<SynCookieMode>("off", "pressure", "always"),
      fc.boolean(),
      (list, backlog, synBacklog, mode, mptcp) => {
        const model = new Model(backlog, synBacklog, mode, mptcp);
        using real = new Real(model);
        for (const [step, number] of list) {
          const peer = real.peers[number]!;
          if (step === "accept") {
            const next = model.waiting.shift();
            const port = next === undefined ? undefined : real.peers[next]!.remotePort;
            assertEquals(real.accept(), port);
            if (next !== undefined) model.accepted(next);
            for (const each of real.peers) each.takeAll();
          } else {
            real.step(step, peer);
            if (step === "syn") model.syn(number);
            else if (step === "ack") model.ack(number);
            else if (step === "rst") model.rst(number);
            else if (step === "wait") model.wait();
          }
          const ports = [...real.listener.halfOpen].map(({ remoteEndpoint }) =>
            remoteEndpoint.port
          );
          assertEquals(ports, model.half.map((each) => real.peers[each]!.remotePort));
          assertEquals(real.d.usage.connections, model.half.length + model.waiting.length);
        }
        for (const next of model.waiting) {
          assertEquals(real.accept(), real.peers[next]!.remotePort);
        }
        assertEquals(real.accept(), undefined);
        real.d.pass(200e6);
        assertEquals(real.d.usage, NOTHING);
      },
    ));
  });
});
