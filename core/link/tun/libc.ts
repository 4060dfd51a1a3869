/** The calls of libc that TUN devices and UDP sockets need, through FFI. */

const SYMBOLS = {
  open: { parameters: ["buffer", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  dup3: { parameters: ["i32", "i32", "i32"], result: "i32" },
  // Views made once and 32-bit results: the usize and 64-bit forms cost 30 to 110 ns more per call.
  read: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  readv: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  writev: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  ioctl: { parameters: ["i32", "u64", "buffer"], result: "i32" },
  ioctlValue: { name: "ioctl", parameters: ["i32", "u64", "u64"], result: "i32" },
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  sendmsg: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  recvmsg: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  setns: { parameters: ["i32", "i32"], result: "i32" },
  if_nametoindex: { parameters: ["buffer"], result: "u32" },
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  eventfd_write: { parameters: ["i32", "u64"], result: "i32" },
  eventfd_read: { parameters: ["i32", "buffer"], result: "i32" },
  ppoll: {
    parameters: ["buffer", "u64", "buffer", "pointer"],
    result: "i32",
    nonblocking: true,
  },
  ppollHere: { name: "ppoll", parameters: ["buffer", "u32", "buffer", "pointer"], result: "i32" },
  __errno_location: { parameters: [], result: "pointer" },
} as const;

// Numbers of errors (asm-generic/errno-base.h) and flags, as on every machine that Deno runs on with Linux.

/** Not permitted. */
export const EPERM = 1;
/** No such file. */
export const ENOENT = 2;
/** No such device behind a file. */
export const ENXIO = 6;
/** Nothing there now, or no room. */
export const EAGAIN = 11;
/** Permission denied. */
export const EACCES = 13;
/** In use. */
export const EBUSY = 16;
/** No such device. */
export const ENODEV = 19;
/** Wrong argument. */
export const EINVAL = 22;

/** The file's device is gone. */
export const EBADFD = 77;
/** The datagram is larger than the device takes. */
export const EMSGSIZE = 90;
/** Nothing that a socket could send by. */
export const EADDRNOTAVAIL = 99;
/** The address is in use. */
export const EADDRINUSE = 98;

/** open(2): reading. */
export const O_RDONLY = 0;
/** open(2): reading and writing. */
export const O_RDWR = 2;
/** open(2), eventfd(2): never waits. */
export const O_NONBLOCK = 0o4000;
/** open(2), eventfd(2): not for programs that this one starts. */
export const O_CLOEXEC = 0o2000000;
/** ppoll(2): there is something to read. */
export const POLLIN = 1;
/** ppoll(2): an error. */
export const POLLERR = 8;
/** ppoll(2): not an open file. */
export const POLLNVAL = 32;

const encoder = new TextEncoder();

/** Text as C takes it: UTF-8 with a zero octet behind. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(`${text}\0`);
}

let library: Deno.DynamicLibrary<typeof SYMBOLS> | null = null;
let users = 0;

/** The library as one of its users holds it: it is unloaded when the last one has closed it. */
export class Libc {
  /** The calls. */
  readonly calls: Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];
  #open = true;

  /**
   * Loads it.
   *
   * @throws {Deno.errors.NotCapable} Without --allow-ffi.
   */
  constructor() {
    library ??= Deno.dlopen("libc.so.6", SYMBOLS);
    this.calls = library.symbols;
    users++;
  }

  /** The number of the error of the call just made; other calls of libc may change it. */
  errno(): number {
    const place = this.calls.__errno_location();
    return place === null ? 0 : new Deno.UnsafePointerView(place).getInt32();
  }

  /** Gives it back; no call may be under way. May be called twice. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    if (--users > 0) return;
    library?.close();
    library = null;
  }
}
