/** A UDP socket of the runtime, by node:dgram: on every system, one datagram at a time, with nothing but --allow-net. */

import { u8 } from "../../../wasm/mod.ts";
import type { DatagramReceiver, DatagramSocket, Sent } from "./datagram_socket.ts";
import { parseSocketAddress, type SocketAddress, socketAddress } from "./socket_address.ts";

/** Datagrams that wait in the runtime to be sent; above it the socket is full. */
const WAITING = 256;
/** Least that is free when it is no longer full. */
const ROOM = 128;
/** Addresses that are remembered. */
const MOST = 4096;

/** What is used of node:dgram. */
interface NodeSocket {
  bind(options: { address: string; port: number; exclusive: boolean }): void;
  once(event: "listening", listener: () => void): void;
  on(event: "message", listener: (bytes: Uint8Array, from: From) => void): void;
  on(event: "error", listener: (error: Error & { code?: string }) => void): void;
  address(): { port: number };
  send(bytes: Uint8Array, port: number, address: string, done: () => void): void;
  unref(): void;
  close(): void;
}
interface From {
  readonly address: string;
  readonly port: number;
}

/** An open one. */
export class RuntimeSocket implements DatagramSocket {
  local: SocketAddress;
  #socket!: NodeSocket;
  readonly #known = new Map<string, SocketAddress>();
  readonly #hosts = new WeakMap<SocketAddress, string>();
  #receiver: DatagramReceiver | null = null;
  #pieces: { readonly address: number; readonly length: number }[] = [];
  #waiting = 0;
  #full = false;
  #open = true;

  private constructor(socket: NodeSocket, local: SocketAddress) {
    this.local = local;
    this.#use(socket);
  }

  #use(socket: NodeSocket): void {
    this.#socket = socket;
    // The host's loop keeps the program running, where it is to be kept so.
    socket.unref();
    socket.on("message", (bytes, from) => this.#received(bytes, from));
  }

  /**
   * Opens one.
   *
   * @throws {Deno.errors.NotCapable} Without --allow-net.
   * @throws {Deno.errors.AddrInUse | Deno.errors.AddrNotAvailable} It cannot be bound.
   */
  static async open(bind: SocketAddress): Promise<RuntimeSocket> {
    const [socket, local] = await bound(bind);
    return new RuntimeSocket(socket, local);
  }

  async move({ address }: SocketAddress): Promise<void> {
    const [socket, local] = await bound(socketAddress(address, this.local.port));
    if (!this.#open) return socket.close();
    const before = this.#socket;
    this.local = local;
    this.#use(socket);
    // What still waits in it is lost, as its address is.
    before.close();
    this.#waiting = 0;
    this.#makeRoom();
  }

  get segments(): number {
    return 1;
  }

  attach(receiver: DatagramReceiver): void {
    this.#receiver = receiver;
  }

  piece(address: number, length: number): void {
    this.#pieces.push({ address, length });
  }

  send(to: SocketAddress, _size: number, _trafficClass: number): Sent {
    const pieces = this.#pieces;
    this.#pieces = [];
    if (!this.#open || to.address.length !== this.local.address.length) return "lost";
    if (this.#waiting >= WAITING) {
      this.#full = true;
      return "full";
    }
    const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const { address, length } of pieces) {
      bytes.set(u8.subarray(address, address + length), at);
      at += length;
    }
    let host = this.#hosts.get(to);
    if (host === undefined) this.#hosts.set(to, host = hostOf(to));
    this.#waiting++;
    // Whether it was sent or not: what is lost comes again.
    const socket = this.#socket;
    socket.send(bytes, to.port, host, () => socket === this.#socket && this.#sent());
    return "sent";
  }

  discard(): void {
    this.#pieces = [];
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    if (this.#waiting === 0) this.#socket.close();
  }

  #sent(): void {
    this.#waiting--;
    // What was sent before it was closed is to leave.
    if (!this.#open && this.#waiting === 0) this.#socket.close();
    this.#makeRoom();
  }

  #makeRoom(): void {
    if (!this.#full || this.#waiting > ROOM || !this.#open) return;
    this.#full = false;
    this.#receiver?.writable();
  }

  #received(bytes: Uint8Array, from: From): void {
    const receiver = this.#receiver;
    if (receiver === null || !this.#open) return;
    const name = `${from.address} ${from.port}`;
    let address = this.#known.get(name);
    if (address === undefined) {
      // A link-local address comes with its zone.
      const parsed = parseSocketAddress(from.address.replace(/%.*$/, ""), from.port);
      if (parsed === null) return;
      if (this.#known.size >= MOST) this.#known.clear();
      this.#known.set(name, address = parsed);
    }
    u8.set(bytes, receiver.buffer);
    receiver.received(bytes.length, bytes.length, address, 0);
  }
}

/** An open one of node:dgram, and what it is bound to. */
async function bound(bind: SocketAddress): Promise<[NodeSocket, SocketAddress]> {
  await permit(bind);
  const { createSocket } = await import("node:dgram");
  const v4 = bind.address.length === 4;
  const socket = createSocket(
    v4 ? { type: "udp4" } : { type: "udp6", ipv6Only: true },
  ) as unknown as NodeSocket;
  await new Promise<void>((resolve, reject) => {
    socket.on("error", (error) => reject(failure(error, bind)));
    socket.once("listening", resolve);
    socket.bind({ address: hostOf(bind), port: bind.port, exclusive: true });
  });
  // The kernel's buffers stay as they are: Deno allocates as many bytes for each datagram as the one for receiving is asked to have.
  return [socket, socketAddress(bind.address, socket.address().port)];
}

function hostOf({ text }: SocketAddress): string {
  return text.slice(0, text.lastIndexOf(":")).replace(/^\[|\]$/g, "");
}

/** Asks for what node:dgram would end the program without, past all who could catch it. */
async function permit({ text }: SocketAddress): Promise<void> {
  const runtime = (globalThis as { Deno?: typeof Deno }).Deno;
  if (runtime === undefined) return;
  const { state } = await runtime.permissions.request({ name: "net", host: text });
  if (state === "granted") return;
  throw new runtime.errors.NotCapable(
    `Cannot bind a UDP socket to ${text} as that needs --allow-net, or --allow-net=${text}`,
  );
}

function failure(error: Error & { code?: string }, bind: SocketAddress): Error {
  const verb = `Cannot bind a UDP socket to ${bind.text}`;
  const classes = (globalThis as { Deno?: typeof Deno }).Deno?.errors;
  if (error.code === "EADDRINUSE") {
    const Class = classes?.AddrInUse ?? Error;
    return new Class(`${verb} as the port is taken: choose another one`);
  }
  if (error.code === "EADDRNOTAVAIL") {
    const Class = classes?.AddrNotAvailable ?? Error;
    return new Class(
      `${verb} as this machine has no such address: give one of its own, or 'bind'`,
    );
  }
  if (error.code === "EACCES") {
    const Class = classes?.PermissionDenied ?? Error;
    return new Class(`${verb} as this user may not: choose a port from 1024 on`);
  }
  return error;
}
