/**
 * One connection between its application and its meta-socket: the calls that wait, and what ends them. A call that can be served at once makes no
 * waiter; the others are served from the observer's callbacks, once a batch.
 */

import type { CongestionControlPlugin, Micros, PathContext, SchedulerPlugin } from "../plugin.ts";
import type { KeepAlive } from "../subflow/settings.ts";
import {
  abortError,
  brokenPipeError,
  busyError,
  bytesError,
  closedError,
  interruptedError,
  networkCode,
  networkError,
  partsError,
  unreachedError,
  withinError,
} from "./errors.ts";
import { checkUse, lend, type Use } from "./lending.ts";
import { applicationPaths } from "./paths.ts";
import type { Hold, Registry } from "./registry.ts";
import type {
  ConnectionObserver,
  EndReason,
  NetworkCode,
  TransportConnectOptions,
  TransportSocket,
} from "./transport.ts";

/** A call that waits. */
interface Waiter<T> {
  resolve(value: T): void;
  reject(reason: unknown): void;
  /** Tells the runtime that it waits no longer. */
  end(): void;
}

/** A read() that waits; without `target`, for the moment when there is something to read. */
interface PendingRead extends Waiter<number | null> {
  readonly target: Uint8Array | null;
}

/** A write() of which some bytes are not in the send queue yet; without parts: waits for room, whoever fills it. */
interface PendingWrite extends Waiter<number> {
  readonly parts: readonly Uint8Array[];
  readonly cork: boolean;
  readonly hint: number;
  readonly message: number;
  /** The part at hand, and the first of its bytes that waits. */
  index: number;
  from: number;
}

const NO_PARTS: readonly Uint8Array[] = [];
/** Bytes that fill() or drain() move before they are sent although their job goes on: what is sent is in the processor's cache then. */
const BATCH = 524288;
/** Bytes of a write() that has filled a super-segment: more of its kind is likely to follow, and its end waits for that. */
const LARGE = 65536;
/**
 * Microtasks after which a job that moves nothing more is over: who awaits a promise that is resolved, or a function of his own that does, goes on a few of
 * them later, and a batch a page would leave as one full super-segment and a small one.
 */
const LOOKS = 8;

function ignore(): void {}

/** An endpoint as messages name it. */
export function formatEndpoint(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** State of one connection. */
export class Channel implements ConnectionObserver {
  readonly #registry: Registry<Channel>;
  #socket: TransportSocket | null = null;
  /** The peer, as messages name it. */
  #peer = "";
  #established = false;
  /** `onClosed` has been told. */
  #over = false;
  #code: NetworkCode | null = null;
  #cause: EndReason | null = null;
  /** close() has been called. */
  #closed = false;
  #aborted = false;
  #reason: unknown = undefined;
  /** Incoming bytes are dropped. */
  #discarded = false;
  /** closeWrite() has been called. */
  #writeClosed = false;
  /** A callback of fill(), or of drain(), is at work: the queue of that direction stays as it is. */
  #filling = false;
  #draining = false;
  /** What the callbacks at work have asked for that would end a direction under them. */
  readonly #later: (() => void)[] = [];
  /** Bytes moved by fill() and drain() since the batch began; -1: no batch is open. */
  #batch = -1;
  /** What would leave as a small super-segment waits for the end of the batch. */
  #gathers = false;
  /** How often the job at hand has been looked at without finding that it moved more. */
  #looks = 0;
  readonly #onLook = (): void => {
    if (++this.#looks < LOOKS) {
      queueMicrotask(this.#onLook);
      return;
    }
    this.#batch = -1;
    if (this.#gathers) {
      this.#gathers = false;
      this.socket.gather(false);
    }
    this.#flush();
  };

  #connecting: Waiter<void> | null = null;
  #reading: PendingRead | null = null;
  readonly #writes: PendingWrite[] = [];
  /** closeWrite() calls that wait for the writes before them. */
  readonly #finishing: Omit<Waiter<void>, "end">[] = [];
  /** Waits for the end of the connection. */
  #ending: (() => void)[] = [];
  /** Calls that wait for the end, and its outcome. */
  readonly #closing: Waiter<void>[] = [];
  /** Streams that learn of an end of the connection that no call of theirs waits for. */
  readonly #onFailure: ((reason: unknown) => void)[] = [];

  #hold: Hold | null = null;
  #signal: AbortSignal | null = null;
  readonly #onSignal = (): void => this.abort(this.#signal?.reason);

  /** Makes one that is not connected. */
  constructor(registry: Registry<Channel>) {
    this.#registry = registry;
  }

  /** The meta-socket. */
  get socket(): TransportSocket {
    if (this.#socket === null) throw new Error("Cannot use a connection before it is open");
    return this.#socket;
  }

  /** close() has been called. */
  get closed(): boolean {
    return this.#closed;
  }

  /** abort() has been called. */
  get aborted(): boolean {
    return this.#aborted;
  }

  /** A fresh stamp, which plugins see in the verb that follows. */
  now(): Micros {
    const { stack, runtime } = this.#registry;
    return stack.now = runtime.now();
  }

  /** Ends a batch that the application began: what its verb calls for is sent, and the loop learns of new deadlines. */
  #flush(): void {
    const { stack, runtime } = this.#registry;
    stack.flush(stack.now);
    runtime.wake();
  }

  /** The same with the current job, as more of the kind is likely to follow, or once `BATCH` bytes have been moved. */
  #flushSoon(bytes: number): void {
    this.#looks = 0;
    if (this.#batch < 0) {
      this.#batch = 0;
      queueMicrotask(this.#onLook);
    }
    this.#batch += bytes;
    if (this.#batch < BATCH) return;
    this.#batch = 0;
    this.#flush();
  }

  /** More is likely to be written in the current job: until it is over, what would leave as a small super-segment waits for that. */
  #gather(): void {
    if (!this.#gathers) {
      this.#gathers = true;
      this.socket.gather(true);
    }
    this.#flushSoon(0);
  }

  #wait(what: string, fail: (error: Error) => void): () => void {
    return this.#registry.runtime.wait(`${what} ${this.#peer}`, true, fail);
  }

  /** Opens a connection; rejects with a network error or the reason of `signal`. */
  connect(
    options: Omit<TransportConnectOptions, "observer">,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const { address, port } = options.remote;
    this.#peer = formatEndpoint(address, port);
    this.#watch(signal);
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void => this.abort(error);
      this.#connecting = { resolve, reject, end: this.#wait("connect to", fail) };
      this.#enlist();
      try {
        this.#socket = this.#registry.stack.connect(this.now(), { ...options, observer: this });
      } catch (error) {
        this.#over = true;
        const code = networkCode(error);
        const { local } = options;
        const from = local === undefined ? "" : ` from ${local.address}`;
        const outcome = code === null
          ? error
          : networkError(code, `connect to ${this.#peer}${from}`);
        this.#endConnecting()?.reject(outcome);
        this.#release();
      }
      this.#flush();
    });
  }

  /** Takes over a connection that a listener accepted. */
  adopt(socket: TransportSocket): void {
    this.#socket = socket;
    this.#established = true;
    const { address, port } = socket.remoteEndpoint;
    this.#peer = formatEndpoint(address, port);
    this.#enlist();
    socket.observe(this);
    if (socket.closed) this.onClosed(socket.code, socket.reason);
  }

  #enlist(): void {
    this.#registry.open.add(this);
    this.#hold = this.#registry.hold();
  }

  #watch(signal: AbortSignal | undefined): void {
    if (signal === undefined) return;
    this.#signal = signal;
    signal.addEventListener("abort", this.#onSignal);
  }

  #unwatch(): void {
    this.#signal?.removeEventListener("abort", this.#onSignal);
    this.#signal = null;
  }

  /** The program waits for this connection again. */
  ref(): void {
    this.#hold?.ref();
  }

  /** The program does not wait for this connection. */
  unref(): void {
    this.#hold?.unref();
  }

  /** Whether segments are sent at once (true) or held back to be filled. */
  setNoDelay(noDelay: boolean): void {
    this.now();
    this.socket.setNoDelay(noDelay);
    this.#flush();
  }

  /** Asks an idle peer whether it is there; null: not. */
  setKeepAlive(choice: KeepAlive | null): void {
    if (this.#over) return;
    this.socket.setKeepAlive(this.now(), choice);
    this.#flush();
  }

  /** Has write() wait where so many bytes are unsent; nothing happens on a connection that is over. */
  setNotSentLowWater(bytes: number): void {
    if (this.#over) return;
    this.now();
    this.socket.setNotSentLowWater(bytes);
    this.#flush();
  }

  /** Swaps the scheduler; nothing happens on a connection that is over. */
  setScheduler(plugin: SchedulerPlugin): void {
    if (this.#over) return;
    this.socket.setScheduler(this.now(), plugin);
    this.#flush();
  }

  /** Has the scheduler change its parameters; nothing happens on a connection that is over. */
  tuneScheduler(parameters: Readonly<Record<string, unknown>>): void {
    if (this.#over) return;
    this.socket.tuneScheduler(this.now(), parameters);
    this.#flush();
  }

  /** Tags the connection for its scheduler. */
  setTag(tag: number): void {
    if (this.#over) return;
    this.socket.setTag(this.now(), tag);
    this.#flush();
  }

  /** Swaps the congestion control; nothing happens on a connection that is over. */
  setCongestionControl(plugin: CongestionControlPlugin): void {
    if (this.#over) return;
    this.socket.setCongestionControl(this.now(), plugin);
    this.#flush();
  }

  /** What a path manager sees and does; what an application changes takes effect at once. */
  paths(): PathContext {
    const { context } = this.socket.paths;
    return applicationPaths(context, {
      begin: () => this.now(),
      end: () => this.#flush(),
      at: (time, callback) => this.#registry.runtime.at(time, callback),
    });
  }

  #endConnecting(): Waiter<void> | null {
    const connecting = this.#connecting;
    this.#connecting = null;
    connecting?.end();
    return connecting;
  }

  /** Why a call cannot be made any more; undefined when it can. */
  #refusal(verb: string): unknown {
    if (this.#closed) return closedError("Connection");
    if (this.#aborted) return this.#reason;
    return this.#over && this.#code !== null ? this.#failure(verb) : undefined;
  }

  #failure(verb: string): Error {
    return networkError(
      this.#code ?? "ConnectionAborted",
      `${verb} ${this.#peer}`,
      true,
      this.#cause,
    );
  }

  /** Bytes for `target`, null at the end, undefined when neither has come. */
  #take(target: Uint8Array): number | null | undefined {
    if (this.#discarded) return null;
    const socket = this.socket;
    const count = socket.read(this.now(), target);
    if (this.#over) this.#free();
    if (count > 0) return count;
    return socket.atEnd || this.#over && this.#code === null ? null : undefined;
  }

  /** A connection that is over and read to its end holds nothing more, also when nobody calls close(), as with pipeTo(). */
  #free(): void {
    const socket = this.#socket;
    if (socket !== null && (this.#discarded || socket.readable === 0)) socket.close(this.now());
  }

  /** Reads into `target`; resolves to the bytes read, null = end. */
  read(target: Uint8Array): Promise<number | null> {
    if (this.#closed || this.#aborted) return Promise.reject(this.#refusal("read from"));
    const busy = this.#readBusy("read");
    if (busy !== null) return Promise.reject(busy);
    if (!(target instanceof Uint8Array)) return Promise.reject(bytesError("read into", target));
    if (target.byteLength === 0) return Promise.resolve(0);
    const count = this.#take(target);
    if (count !== undefined) {
      this.#flush();
      return Promise.resolve(count);
    }
    return this.#over ? Promise.reject(this.#failure("read from")) : this.#waitToRead(target);
  }

  /** Why nothing can be read just now. */
  #readBusy(verb: string): Error | null {
    if (this.#reading !== null) return busyError(verb, "await one read() before the next");
    return this.#draining ? withinError(verb, "drain") : null;
  }

  /** Resolves to the number of bytes that can be read, once there are any; null = end. */
  untilReadable(): Promise<number | null> {
    if (this.#closed || this.#aborted) return Promise.reject(this.#refusal("read from"));
    const busy = this.#readBusy("wait for bytes");
    if (busy !== null) return Promise.reject(busy);
    if (this.#discarded) return Promise.resolve(null);
    const { readable, atEnd } = this.socket;
    if (readable > 0) return Promise.resolve(readable);
    if (atEnd || this.#over && this.#code === null) return Promise.resolve(null);
    return this.#over ? Promise.reject(this.#failure("read from")) : this.#waitToRead(null);
  }

  /** Lends bytes that are there to `use`; gives how many it has used, 0 when there are none, null = end. */
  drain(use: Use): number | null {
    if (this.#closed || this.#aborted) throw this.#refusal("read from");
    const busy = this.#readBusy("drain");
    if (busy !== null) throw busy;
    checkUse("drain", use);
    if (this.#discarded) return null;
    const { socket } = this;
    const page = socket.lendReceived();
    if (page === null) {
      if (socket.atEnd || this.#over && this.#code === null) return null;
      if (this.#over) throw this.#failure("read from");
      return 0;
    }
    let bytes = 0;
    this.#draining = true;
    try {
      bytes = lend("drain", this.#registry.views, page, use);
    } finally {
      this.#draining = false;
      socket.used(this.now(), bytes);
      if (this.#over) this.#free();
      this.#flushSoon(bytes);
      this.#catchUp();
    }
    return bytes;
  }

  /** Puts off what would take memory from under a callback; false when none is at work. */
  #putOff(action: () => void, meanwhile: boolean = this.#filling || this.#draining): boolean {
    if (meanwhile) this.#later.push(action);
    return meanwhile;
  }

  /** The last callback has ended: does what was put off. */
  #catchUp(): void {
    if (this.#filling || this.#draining) return;
    for (const action of this.#later.splice(0)) action();
  }

  /** Reads what is there into an array of just that size, at most `most` bytes; null = end. */
  async readChunk(most: number): Promise<Uint8Array<ArrayBuffer> | null> {
    for (;;) {
      if (this.#closed || this.#aborted) throw this.#refusal("read from");
      const busy = this.#readBusy("read");
      if (busy !== null) throw busy;
      const chunk = new Uint8Array(Math.min(most, this.#discarded ? 0 : this.socket.readable));
      const count = this.#take(chunk);
      if (count === null) return null;
      if (count !== undefined) {
        this.#flush();
        return chunk;
      }
      if (this.#over) throw this.#failure("read from");
      if (await this.#waitToRead(null) === null) return null;
    }
  }

  #waitToRead(target: Uint8Array | null): Promise<number | null> {
    return new Promise((resolve, reject) => {
      const end = this.#wait("read from", (error) => this.#endRead()?.reject(error));
      this.#reading = { target, resolve, reject, end };
    });
  }

  #endRead(): PendingRead | null {
    const reading = this.#reading;
    this.#reading = null;
    reading?.end();
    return reading;
  }

  /** Drops what comes in from now on; a call that waits for it gets the end. */
  discard(): void {
    if (this.#discarded || this.#closed || this.#aborted) return;
    if (this.#putOff(() => this.discard(), this.#draining)) return;
    this.#discarded = true;
    this.#endRead()?.resolve(null);
    if (this.#over) return this.#free();
    this.socket.discard(this.now());
    this.#flush();
  }

  /** Writes what the connection has not taken of the data that it began with. */
  async writeRest(data: Uint8Array): Promise<void> {
    const { begunWith } = this.socket;
    if (begunWith < data.length) await this.write(data.subarray(begunWith));
  }

  /**
   * Puts `source` into the send queue; resolves to its length when all of it is there. `cork`: its end waits for the write that follows; `hint`: for the
   * scheduler; `message`: bytes of the message that begins with it, 0 where none is announced.
   */
  write(source: Uint8Array, cork = false, hint = 0, message = 0): Promise<number> {
    const refusal = this.#refusal("write to");
    if (refusal !== undefined) return Promise.reject(refusal);
    if (this.#writeClosed || this.#over) return Promise.reject(brokenPipeError("write"));
    if (!(source instanceof Uint8Array)) return Promise.reject(bytesError("write", source));
    const length = source.byteLength;
    let from = 0;
    if (this.#nobodyWrites()) {
      // One without bytes, and without cork, lets out what was held back.
      if (length > 0 || !cork) {
        from = this.socket.write(this.now(), source, 0, cork, hint, message);
        if (from === length && (length >= LARGE || this.#gathers)) this.#gather();
        this.#flush();
      }
      if (from === length) return Promise.resolve(length);
    }
    return this.#waitToWrite([source], 0, from, cork, hint, message);
  }

  /** The same with the bytes of several arrays in a row. */
  writev(
    parts: readonly Uint8Array[],
    cork = false,
    hint = 0,
    message = 0,
  ): Promise<number> {
    const refusal = this.#refusal("write to");
    if (refusal !== undefined) return Promise.reject(refusal);
    if (this.#writeClosed || this.#over) return Promise.reject(brokenPipeError("write"));
    if (!Array.isArray(parts)) return Promise.reject(partsError(parts));
    const all: Uint8Array[] = [...parts];
    let length = 0;
    for (const part of all) {
      if (!(part instanceof Uint8Array)) return Promise.reject(bytesError("write", part));
      length += part.byteLength;
    }
    // Without bytes it is a write of none.
    if (all.length === 0) all.push(new Uint8Array());
    if (message === 0 && all.length > 1) message = length;
    let index = 0;
    let from = 0;
    if (this.#nobodyWrites()) {
      const now = this.now();
      for (; index < all.length; index++) {
        from = this.#writePart(now, all, index, 0, cork, hint, message);
        if (from < all[index]!.byteLength) break;
      }
      if (index === all.length && (length >= LARGE || this.#gathers)) this.#gather();
      this.#flush();
      if (index === all.length) return Promise.resolve(length);
    }
    return this.#waitToWrite(all, index, from, cork, hint, message);
  }

  /** Whether what is written now follows what was. */
  #nobodyWrites(): boolean {
    return this.#writes.length === 0 && !this.#filling;
  }

  /** Writes what there is room for of one part; gives where its rest begins. Parts before the last one wait for it. */
  #writePart(
    now: Micros,
    parts: readonly Uint8Array[],
    index: number,
    from: number,
    cork: boolean,
    hint: number,
    message: number,
  ): number {
    const part = parts[index]!;
    const held = cork || index < parts.length - 1;
    if (from === part.byteLength && held) return from;
    return from + this.socket.write(now, part, from, held, hint, index === 0 ? message : 0);
  }

  /** Resolves to the number of bytes that there is room for, once there is any and nobody else waits for it. */
  untilWritable(): Promise<number> {
    const refusal = this.#refusal("write to");
    if (refusal !== undefined) return Promise.reject(refusal);
    if (this.#writeClosed || this.#over) return Promise.reject(brokenPipeError("write"));
    if (this.#nobodyWrites()) {
      const room = this.socket.awaitRoom(this.now());
      if (room > 0) return Promise.resolve(room);
      this.#flush();
    }
    return this.#waitToWrite(NO_PARTS, 0, 0, false, 0, 0);
  }

  /** Lends room in the send queue to `use`; gives how many bytes it has written, 0 when there is no room, or somebody waits for it. */
  fill(use: Use, cork = false, hint = 0, message = 0): number {
    const refusal = this.#refusal("write to");
    if (refusal !== undefined) throw refusal;
    if (this.#writeClosed || this.#over) throw brokenPipeError("fill");
    if (this.#filling) throw withinError("fill", "fill");
    checkUse("fill", use);
    if (this.#writes.length > 0) return 0;
    const { socket } = this;
    const place = socket.lend(this.now());
    if (place === null) {
      this.#flushSoon(0);
      return 0;
    }
    let bytes = 0;
    this.#filling = true;
    try {
      bytes = lend("fill", this.#registry.views, place, use);
    } finally {
      this.#filling = false;
      socket.filled(this.now(), bytes, cork, hint, message);
      if (this.#writes.length > 0 || this.#finishing.length > 0) this.#drain();
      else if (bytes > 0) {
        this.#gather();
        this.#flushSoon(bytes);
      } else this.#flushSoon(0);
      this.#catchUp();
    }
    return bytes;
  }

  #waitToWrite(
    parts: readonly Uint8Array[],
    index: number,
    from: number,
    cork: boolean,
    hint: number,
    message: number,
  ): Promise<number> {
    return new Promise((resolve, reject) => {
      const waiter: PendingWrite = {
        parts,
        cork,
        hint,
        message,
        index,
        from,
        resolve,
        reject,
        end: ignore,
      };
      waiter.end = this.#wait("write to", (error) => {
        this.#writes.splice(this.#writes.indexOf(waiter), 1);
        waiter.end();
        reject(error);
      });
      this.#writes.push(waiter);
    });
  }

  /** Sends the end after what was written; resolves when it is in the send queue. */
  closeWrite(): Promise<void> {
    const refusal = this.#refusal("close the writing side to");
    if (refusal !== undefined) return Promise.reject(refusal);
    if (this.#writeClosed || this.#over) return Promise.resolve();
    this.#writeClosed = true;
    if (!this.#nobodyWrites()) {
      return new Promise((resolve, reject) => this.#finishing.push({ resolve, reject }));
    }
    this.socket.finish(this.now());
    this.#flush();
    return Promise.resolve();
  }

  /** Gives the send queue what waits for room in it. */
  #drain(): void {
    const { socket } = this;
    for (let write = this.#writes[0]; write !== undefined; write = this.#writes[0]) {
      const { parts, cork, hint, message } = write;
      let done = 0;
      if (parts.length === 0) {
        done = socket.awaitRoom(this.now());
        if (done === 0) return this.#flush();
      }
      for (; write.index < parts.length; write.index++, write.from = 0) {
        const { index, from } = write;
        write.from = this.#writePart(this.now(), parts, index, from, cork, hint, message);
        if (write.from < parts[index]!.byteLength) return this.#flush();
      }
      for (const part of parts) done += part.byteLength;
      this.#writes.shift();
      write.end();
      if (done >= LARGE && parts.length > 0) this.#gather();
      write.resolve(done);
    }
    if (this.#writeClosed) {
      socket.finish(this.now());
      for (const { resolve } of this.#finishing.splice(0)) resolve();
    }
    this.#flush();
  }

  /**
   * What is in the send queue is still sent, in the background; received data that nobody read means MP_FASTCLOSE. Calls that wait reject: a write() that
   * was waiting is sent as far as it had found room, which its caller learns by that.
   */
  close(): void {
    if (this.#closed || this.#putOff(() => this.close())) return;
    const { socket } = this;
    this.#closed = true;
    this.#unwatch();
    // An error is made for who waits alone: capturing the stack that it is made on costs more than all else that close() does.
    if (this.#reading !== null) this.#endRead()?.reject(interruptedError("read"));
    if (this.#writes.length + this.#finishing.length > 0) {
      this.#rejectWrites(interruptedError("write"));
    }
    socket.close(this.now());
    this.#settle();
    this.#flush();
  }

  /** Ends it at once; calls that wait reject with `reason`. */
  abort(reason?: unknown): void {
    if (this.#aborted || this.#over || this.#putOff(() => this.abort(reason))) return;
    this.#aborted = true;
    this.#reason = reason ?? abortError("Connection");
    this.#endConnecting()?.reject(this.#reason);
    this.#endRead()?.reject(this.#reason);
    this.#rejectWrites(this.#reason);
    for (const { reject, end } of this.#closing.splice(0)) {
      end();
      reject(this.#reason);
    }
    this.#socket?.abort(this.now());
    this.#socket?.close(this.now());
    this.#fail(this.#reason);
    this.#release();
    this.#flush();
  }

  #rejectWrites(reason: unknown): void {
    for (const write of this.#writes.splice(0)) {
      write.end();
      write.reject(reason);
    }
    for (const { reject } of this.#finishing.splice(0)) reject(reason);
  }

  /** Calls `listener` when the connection fails; at once when it has. */
  onFailure(listener: (reason: unknown) => void): void {
    if (this.#aborted) listener(this.#reason);
    else if (this.#over && this.#code !== null) listener(this.#failure("use the connection to"));
    else this.#onFailure.push(listener);
  }

  #fail(reason: unknown): void {
    for (const listener of this.#onFailure.splice(0)) listener(reason);
  }

  #release(): void {
    this.#unwatch();
    this.#hold?.release();
    this.#registry.open.delete(this);
    for (const resolve of this.#ending.splice(0)) resolve();
  }

  #settle(): void {
    if (this.#socket?.finished === true && this.#closed) this.#release();
  }

  /** Resolves when both sides are done; rejects with what ended it otherwise. */
  outcome(): Promise<void> {
    if (this.#aborted) return Promise.reject(this.#reason);
    if (this.#over) {
      return this.#code === null ? Promise.resolve() : Promise.reject(this.#failure("finish with"));
    }
    return new Promise((resolve, reject) => {
      const waiter: Waiter<void> = { resolve, reject, end: ignore };
      waiter.end = this.#wait("wait for the end of the connection to", (error) => {
        this.#closing.splice(this.#closing.indexOf(waiter), 1);
        waiter.end();
        reject(error);
      });
      this.#closing.push(waiter);
    });
  }

  /** Resolves when the connection is over, or after `linger` microseconds. */
  ended(linger: Micros): Promise<void> {
    const { runtime, open } = this.#registry;
    if (!open.has(this)) return Promise.resolve();
    const hold = this.#registry.hold();
    return new Promise((resolve) => {
      const done = (): void => {
        cancel();
        end();
        hold.release();
        resolve();
      };
      const end = this.#wait("close the connection to", done);
      const cancel = runtime.at(this.now() + linger, () => {
        this.#ending = this.#ending.filter((other) => other !== done);
        done();
      });
      this.#ending.push(done);
    });
  }

  onEstablished(): void {
    this.#established = true;
    this.#endConnecting()?.resolve();
  }

  onReadable(): void {
    this.#settle();
    const reading = this.#reading;
    if (reading === null) return;
    const { target } = reading;
    if (target === null) {
      const { readable, atEnd } = this.socket;
      if (readable > 0 || atEnd) this.#endRead()?.resolve(readable > 0 ? readable : null);
      return;
    }
    const count = this.#take(target);
    if (count === undefined) return;
    this.#endRead()?.resolve(count);
    this.#flush();
  }

  onWritable(): void {
    if (this.#writes.length > 0 && !this.#filling) this.#drain();
    this.#settle();
  }

  onClosed(code: NetworkCode | null, reason: EndReason | null): void {
    if (this.#over) return;
    this.#over = true;
    this.#code = code;
    this.#cause = reason;
    if (!this.#established) {
      const verb = `connect to ${this.#peer}`;
      const { tries } = this.socket;
      // A refusal is the peer's own word, whatever was tried before it; and where no link is left it does not matter.
      const several = tries.some(({ remote }) => remote.address !== tries[0]!.remote.address);
      const told = code === "ConnectionRefused" && !several || reason === "links-gone";
      const error = tries.length > 1 && code !== null && !told
        ? unreachedError(code, this.#peer, tries)
        : networkError(code ?? "ConnectionAborted", verb, false, reason);
      this.#endConnecting()?.reject(error);
    } else {
      if (this.#reading !== null) this.onReadable();
      if (code === null) this.#endRead()?.resolve(null);
      else this.#endRead()?.reject(this.#failure("read from"));
      if (this.#writes.length > 0) this.#rejectWrites(this.#failure("write to"));
      if (code !== null) this.#fail(this.#failure("use the connection to"));
      for (const { resolve, reject, end } of this.#closing.splice(0)) {
        end();
        if (code === null) resolve();
        else reject(this.#failure("finish with"));
      }
    }
    this.#free();
    this.#release();
  }
}
