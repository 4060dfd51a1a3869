/**
 * The real-time loop of one host: it waits in one ppoll(2) for all its devices, hands what comes to the stack in batches, and fires deadlines to
 * a fraction of a millisecond. No timer of JavaScript is in the way of a packet: those wait at least two milliseconds.
 */

import type { DrivenStack, HostDriver, HostTimer, Link, PollSource } from "../host/link.ts";
import type { Micros } from "../plugin.ts";
import type { PacketIn } from "../wire/packet.ts";
import { Bet } from "./bet.ts";
import { Clock } from "./clock.ts";
import { Libc, O_CLOEXEC, O_NONBLOCK, POLLERR, POLLIN, POLLNVAL } from "./tun/libc.ts";

/** How a loop is made. */
export interface LoopOptions {
  /**
   * Microseconds that it looks for packets without sleeping, when lately they came that soon one after the other; 0 to 1000. A wake-up costs tens of
   * microseconds, so this halves and more the round trip of a short exchange, at the price of a busy processor meanwhile.
   *
   * @default {60}
   */
  readonly spin?: Micros;
  /**
   * Microseconds that it waits for packets in a system call of its own thread, when lately they came that soon one after the other and no other loop of this
   * thread is held; 0 to 1000. A sleep, which another thread goes through for it, adds some 15 microseconds to a round trip and doubles the processor time of
   * opening and closing a connection; but during it, and not during this, the program does other things. 0: it does not.
   *
   * @default {200}
   */
  readonly wait?: Micros;
  /** Streams of random numbers in [0, 1) for links and elements, by name. @default Math.random */
  readonly random?: (name: string) => () => number;
}

/** Packets taken from each device before the stack sends what they call for. */
const BATCH = 64;
/** Bytes of a device after which it has brought enough for a turn: what waits longer to be read has left the processor's cache. */
const BATCH_BYTES = 1 << 20;
/** Polls in a row that find a device in error before it counts as gone. */
const ERRORS = 16;
/** In place of one that is gone: a poll heeds no descriptor below 0. */
const NOTHING: PollSource = { fd: -1, drain: () => 0 };
/** Devices, and the eventfd, that one poll waits for: `struct pollfd` of 8 bytes each. */
const POLLFD = 8;
/** Longest sleep in Microseconds; nothing depends on it. */
const LONGEST = 3600e6;
/** Microseconds from which on a pause is a long one, however long. */
const LONG = 1000;
/** Microseconds below which timers of JavaScript come too late: turns of the event loop are counted off instead. */
const COARSE = 3000;
/** Milliseconds between two looks while nothing keeps the program running: at first, and when nothing came for long. */
const NAP = [2, 50] as const;

function turnOfEventLoop(): (callback: () => void) => void {
  const { setImmediate } = globalThis as { setImmediate?: (callback: () => void) => unknown };
  if (setImmediate !== undefined) return (callback) => void setImmediate(callback);
  return (callback) => void setTimeout(callback, 0);
}

function checkPatience(name: string, time: Micros): Micros {
  if (time >= 0 && time <= 1000) return time;
  throw new RangeError(
    `Cannot make a loop as '${name}' must be from 0 to 1000 microseconds: current value is ${time}`,
  );
}

/** Loops of this thread that are held: where there are several, one that waited here would keep the others from their packets. */
let loopsHeld = 0;

/** The loop of one host. Links are added, then a stack is started; it runs until it is closed. */
export class Loop {
  /** The clock and the receiver of the links. */
  readonly driver: HostDriver;
  readonly #start = performance.now();
  readonly #clock = new Clock();
  readonly #nextTurn = turnOfEventLoop();
  readonly #spin: Micros;
  readonly #wait: Micros;
  /** Looking on, and waiting here, has lately led to packets. */
  readonly #spins = new Bet();
  readonly #waits = new Bet();
  readonly #links: Link[] = [];
  readonly #sources: PollSource[] = [];
  readonly #sourceOf = new Map<Link, PollSource>();
  readonly #errors = new Map<PollSource, number>();
  readonly #gone = new Set<Link>();
  /** How many packets and bytes each of them may yet bring in this turn, how many bytes the one that is read, and how many of them may bring any. */
  readonly #left: number[] = [];
  readonly #leftBytes: number[] = [];
  #bytes = 0;
  #open = 0;
  #now: Micros = 0;
  #stack: DrivenStack | null = null;
  #touched = false;
  #inTurn = false;
  #held = false;
  #closing = false;
  #running: Promise<void> | null = null;
  #libc: Libc | null = null;
  #event = -1;
  #signalled = false;
  #until: Micros = -Infinity; // when a sleep ends; -Infinity while awake
  #endNap: (() => void) | null = null;
  #nap: number = NAP[0];
  #idleSince: Micros = -1; // start of the present pause; -1 while busy
  #pause: Micros = Infinity; // mean of the latest pauses
  #polledBytes = new Uint8Array(0);
  #polled = new DataView(this.#polledBytes.buffer);
  readonly #timeBytes = new Uint8Array(16);
  readonly #time = new DataView(this.#timeBytes.buffer);

  /**
   * Makes a loop; nothing runs yet.
   *
   * @throws {RangeError} If `spin` or `wait` is out of its range.
   */
  constructor(options: LoopOptions = {}) {
    this.#spin = checkPatience("spin", options.spin ?? 60);
    this.#wait = checkPatience("wait", options.wait ?? 200);
    this.driver = new Driver(this, options.random ?? (() => Math.random));
  }

  /** A fresh stamp. */
  now(): Micros {
    return (performance.now() - this.#start) * 1000;
  }

  /** The stamp of the batch at hand; between batches a fresh one. */
  get stamp(): Micros {
    return this.#inTurn ? this.#now : this.now();
  }

  /** Whether what it drives takes payload that lies where `packet_expect` has said. */
  get takesLanded(): boolean {
    return this.#stack?.takesLanded === true;
  }

  /** See {@linkcode HostDriver.enough}. The stack may look elsewhere only where another device is still to be asked in this turn. */
  get enough(): boolean {
    return this.#bytes <= 0 || this.#open > 1 && this.#stack?.elsewhere === true;
  }

  /** Attaches a link and polls its device from now on, or `source` in place of it. Throws what the link throws; it is not added then. */
  add(link: Link, source: PollSource | undefined = link.source): void {
    link.attach(this.driver);
    this.#links.push(link);
    if (source !== undefined) {
      this.#sources.push(source);
      this.#sourceOf.set(link, source);
    }
    this.#signal(); // a sleep that is under way does not know it
  }

  /** Begins to drive `stack`. */
  start(stack: DrivenStack): void {
    if (this.#running !== null || this.#closing) {
      throw new TypeError("Cannot start a loop as it was started before");
    }
    this.#stack = stack;
    stack.attend?.(() => this.wake());
    this.#running = this.#run();
    // Whoever closes the loop gets the error; should nobody, it is reported as one that nobody handles.
    this.#running.catch((error) => this.#closing || Promise.reject(error));
  }

  /** Tells that a deadline may have moved earlier. */
  wake(): void {
    const stack = this.#stack;
    if (stack === null || this.#until === -Infinity) return;
    if (stack.pollTimeout() < this.#until) this.#signal();
  }

  /** Calls back once at `time`, in order of insertion among equals; the result cancels. */
  at(time: Micros, callback: () => void): () => void {
    const cancel = this.#clock.at(time, callback);
    if (time < this.#until) this.#signal();
    return cancel;
  }

  /** A timer that can be set again and again. */
  timer(callback: () => void): HostTimer {
    const timer = this.#clock.timer(callback);
    return {
      arm: (time) => {
        timer.arm(time);
        if (time < this.#until) this.#signal();
      },
      disarm: () => timer.disarm(),
    };
  }

  /** Nothing on a real clock has to wait for an application. */
  wait(_what: string, _counts: boolean, _fail: (error: Error) => void): () => void {
    return () => {};
  }

  /**
   * Whether the program is to be kept running; at first not. Meanwhile devices are looked at every few milliseconds only, as a poll under way would
   * keep it running.
   */
  hold(alive: boolean): void {
    if (alive === this.#held || this.#closing) return;
    this.#held = alive;
    loopsHeld += alive ? 1 : -1;
    this.#signal();
  }

  /** Stops, then closes the links. May be called twice. */
  async close(): Promise<void> {
    this.hold(false);
    this.#closing = true;
    this.#signal();
    try {
      await this.#running;
    } finally {
      this.#stack = null;
      this.#clock.clear();
      const links = this.#links.splice(0);
      this.#sources.length = 0;
      this.#sourceOf.clear();
      await Promise.all(links.map((link) => link.close()));
      if (this.#libc !== null) {
        this.#libc.calls.close(this.#event);
        this.#libc.close();
        this.#libc = null;
      }
    }
  }

  /** A packet for the stack; called by the driver. */
  receive(link: Link, packet: Readonly<PacketIn>): void {
    if (this.#stack === null) return;
    this.#touch();
    this.#bytes -= packet.length;
    this.#stack.handlePacket(this.#now, link, packet);
  }

  /** A link takes packets again; called by the driver. */
  writable(link: Link): void {
    if (this.#stack === null) return;
    this.#touch();
    this.#stack.handleWritable(this.#now, link);
  }

  /** A peer of a link has moved; called by the driver. */
  moved(link: Link, address: Uint8Array): void {
    if (this.#stack === null) return;
    this.#touch();
    this.#stack.handleMove?.(this.#now, link, address);
  }

  /** The device of a link is gone; called by the driver. Told once. */
  gone(link: Link): void {
    const source = this.#sourceOf.get(link);
    const at = source === undefined ? -1 : this.#sources.indexOf(source);
    if (at >= 0) {
      this.#sources[at] = NOTHING;
      this.#sourceOf.delete(link);
    }
    if (this.#stack === null || this.#gone.has(link)) return;
    this.#gone.add(link);
    this.#touch();
    this.#stack.handleGone?.(this.#now, link);
  }

  /** What comes outside the loop's turns, from links that read by themselves, is a batch that ends with the current job. */
  #touch(): void {
    if (this.#inTurn || this.#touched) {
      this.#touched = true;
      return;
    }
    this.#touched = true;
    this.#now = this.now();
    queueMicrotask(() => {
      if (!this.#touched) return;
      this.#touched = false;
      this.#stack?.flush(this.#now);
      this.wake();
    });
  }

  async #run(): Promise<void> {
    while (!this.#closing) {
      if (this.#turn() || this.#spinOn() || this.#waitHere()) {
        this.#nap = NAP[0];
        await new Promise<void>((resolve) => this.#nextTurn(resolve));
      } else if (this.#held && this.#sources.length > 0) {
        await this.#sleep();
      } else {
        await this.#doze();
      }
    }
  }

  /** One batch. False: there was nothing to do. */
  #turn(): boolean {
    const stack = this.#stack!;
    const now = this.#now = this.now();
    this.#inTurn = true;
    const packets = this.#drain();
    const clock = this.#clock;
    let fired = false;
    while (clock.next <= now) {
      clock.step();
      fired = true;
    }
    if (stack.pollTimeout() <= now) {
      stack.handleTimeout(now);
      this.#touched = true;
    }
    const touched = this.#touched;
    this.#touched = false;
    if (touched) stack.flush(now);
    this.#inTurn = false;
    if (packets > 0) this.#endPause(now);
    return packets > 0 || fired || touched;
  }

  /**
   * Takes what devices have, up to a batch of each. Where the stack looks elsewhere for what comes next the others are asked first: read one device after the
   * other, half of what comes over two paths would lie above holes.
   */
  #drain(): number {
    const sources = this.#sources;
    const left = this.#left;
    const leftBytes = this.#leftBytes;
    // One that is added meanwhile comes in the next turn.
    const devices = this.#open = sources.length;
    for (let i = 0; i < devices; i++) {
      left[i] = BATCH;
      leftBytes[i] = BATCH_BYTES;
    }
    let packets = 0;
    for (let i = 0; this.#open > 0; i = i + 1 < devices ? i + 1 : 0) {
      if (left[i] === 0) continue;
      this.#bytes = leftBytes[i]!;
      const count = sources[i]!.drain(left[i]!);
      packets += count;
      leftBytes[i] = this.#bytes;
      left[i] = count > 0 && this.#bytes > 0 && this.enough ? left[i]! - count : 0;
      if (left[i] === 0) this.#open--;
    }
    return packets;
  }

  /** Looks on for a while where packets have come soon one after the other, or a deadline is too near to sleep. False: there was nothing. */
  #spinOn(): boolean {
    const start = this.#now;
    if (this.#idleSince < 0) this.#idleSince = start;
    // A pause that ends with a sleep is measured longer than it was, by the wake-up.
    const spins = this.#pause < 2 * this.#spin && this.#spins.take();
    const end = start + (spins ? this.#spin : 0);
    const deadline = this.#deadline();
    const until = deadline < start + this.#spin ? Math.max(end, deadline) : end;
    let found = false;
    while (!found && this.#now < until && !this.#closing) found = this.#turn();
    if (spins) this.#spins.settle(found);
    return found;
  }

  /** Waits for a device, or a deadline, in this thread, where packets have come that soon one after the other. False: there was nothing. */
  #waitHere(): boolean {
    const soon = this.#pause < 2 * this.#wait && this.#held && !this.#closing;
    if (!soon || loopsHeld > 1) return false;
    // A link that reads by itself could not.
    if (this.#sources.length !== this.#links.length) return false;
    const until = Math.min(this.#idleSince + this.#wait, this.#deadline());
    const duration = until - this.now();
    if (duration <= 0 || !this.#waits.take()) return false;
    const { calls } = this.#prepare();
    this.#fillPoll(duration);
    calls.ppollHere(this.#polledBytes, this.#sources.length + 1, this.#timeBytes, null);
    const found = this.#turn();
    this.#waits.settle(found);
    return found;
  }

  #endPause(now: Micros): void {
    if (this.#idleSince < 0) return;
    const pause = Math.min(now - this.#idleSince, LONG);
    this.#pause = this.#pause === Infinity ? pause : this.#pause * 0.75 + pause * 0.25;
    this.#idleSince = -1;
  }

  #deadline(): Micros {
    return Math.min(this.#stack!.pollTimeout(), this.#clock.next);
  }

  /** Sleeps in ppoll until a device, a deadline or a signal. */
  async #sleep(): Promise<void> {
    const { calls } = this.#prepare();
    const until = this.#deadline();
    const duration = Math.min(until - this.now(), LONGEST);
    if (duration <= 0) return;
    this.#fillPoll(duration);
    const polled = this.#polled;
    this.#until = until;
    const ready = await calls.ppoll(
      this.#polledBytes,
      BigInt(polled.byteLength / POLLFD),
      this.#timeBytes,
      null,
    );
    this.#until = -Infinity;
    if (ready <= 0) return;
    if (polled.getInt16(6, true) & POLLIN) {
      calls.eventfd_read(this.#event, new Uint8Array(8));
      this.#signalled = false;
    }
    this.#checkDevices();
  }

  /** What a poll is asked: which devices, and for how long at most. */
  #fillPoll(duration: Micros): void {
    const seconds = Math.floor(duration / 1e6);
    this.#time.setUint32(0, seconds, true);
    this.#time.setUint32(8, (duration - seconds * 1e6) * 1000, true);
    for (let i = 0; i < this.#sources.length; i++) {
      this.#polled.setInt32((i + 1) * POLLFD, this.#sources[i]!.fd, true);
    }
  }

  /** A device that was taken away says so at every poll: it is left out, or the loop would never sleep again. */
  #checkDevices(): void {
    // One that was added during the poll was not part of it.
    for (let i = this.#polled.byteLength / POLLFD - 2; i >= 0; i--) {
      const source = this.#sources[i]!;
      const said = this.#polled.getInt16((i + 1) * POLLFD + 6, true);
      const inError = (said & (POLLERR | POLLNVAL)) !== 0;
      if (source.check !== undefined) {
        if (inError) source.check();
        continue;
      }
      const errors = inError ? (this.#errors.get(source) ?? 0) + 1 : 0;
      if (errors > 0) this.#errors.set(source, errors);
      else if (this.#errors.size > 0) this.#errors.delete(source);
      if (errors > ERRORS) {
        for (const [link, own] of this.#sourceOf) if (own === source) this.gone(link);
      }
    }
  }

  /** Loads what a sleep needs, on the first one. */
  #prepare(): Libc {
    this.#libc ??= new Libc();
    const { calls } = this.#libc;
    if (this.#event < 0) this.#event = calls.eventfd(0, O_NONBLOCK | O_CLOEXEC);
    const size = (this.#sources.length + 1) * POLLFD;
    if (this.#polled.byteLength !== size) {
      this.#polledBytes = new Uint8Array(size);
      this.#polled = new DataView(this.#polledBytes.buffer);
      for (let at = 0; at < size; at += POLLFD) this.#polled.setInt16(at + 4, POLLIN, true);
      this.#polled.setInt32(0, this.#event, true);
    }
    return this.#libc;
  }

  /** Waits for a timer: one that does not keep the program running, or where there is no device to sleep on. */
  async #doze(): Promise<void> {
    const until = this.#deadline();
    const left = until - this.now();
    if (left < COARSE) {
      await new Promise<void>((resolve) => this.#nextTurn(resolve));
      return;
    }
    const most = this.#sources.length > 0 ? this.#nap : LONGEST / 1000;
    const wait = Math.min(most, (left - COARSE / 2) / 1000);
    this.#nap = Math.min(NAP[1], this.#nap * 2);
    this.#until = until;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, wait);
      this.#endNap = () => {
        clearTimeout(timer);
        resolve();
      };
      if (!this.#held) (timer as { unref?: () => void }).unref?.();
    });
    this.#endNap = null;
    this.#until = -Infinity;
    // What sleeps hears of a device that is gone.
    if (this.#sources.length === 0 || this.#nap < NAP[1]) return;
    const { calls } = this.#prepare();
    this.#fillPoll(0);
    const ready = calls.ppollHere(
      this.#polledBytes,
      this.#sources.length + 1,
      this.#timeBytes,
      null,
    );
    if (ready > 0) this.#checkDevices();
  }

  /** Ends a sleep early. */
  #signal(): void {
    this.#endNap?.();
    if (this.#until === -Infinity || this.#signalled || this.#libc === null) return;
    this.#signalled = true;
    this.#libc.calls.eventfd_write(this.#event, 1n);
  }
}

/** What links see of the loop. */
class Driver implements HostDriver {
  readonly random: (name: string) => () => number;
  readonly #loop: Loop;

  constructor(loop: Loop, random: (name: string) => () => number) {
    this.#loop = loop;
    this.random = random;
  }

  get now(): Micros {
    return this.#loop.stamp;
  }

  get takesLanded(): boolean {
    return this.#loop.takesLanded;
  }

  get enough(): boolean {
    return this.#loop.enough;
  }

  receive(link: Link, packet: Readonly<PacketIn>): void {
    this.#loop.receive(link, packet);
  }

  writable(link: Link): void {
    this.#loop.writable(link);
  }

  moved(link: Link, address: Uint8Array): void {
    this.#loop.moved(link, address);
  }

  gone(link: Link): void {
    this.#loop.gone(link);
  }

  at(time: Micros, callback: () => void): () => void {
    return this.#loop.at(time, callback);
  }

  timer(callback: () => void): HostTimer {
    return this.#loop.timer(callback);
  }
}
