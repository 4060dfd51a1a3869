/** Who may use a Transport Converter (RFC 8803 §6.2.7, §9.2): who shows a cookie, which is made of the shared key, or of the client's address. */

import { formatAddress, inPrefix, type IpPrefix, parseHost } from "../../../core/wire/ip.ts";
import { sameMac, SharedKey } from "../key.ts";

/** Octets of a cookie that is bound to an address: its period (4), and a MAC. */
const BOUND = 16;
/** Milliseconds of a period: a cookie is good in its own and in the next (RFC 7413 §4.1.2 wants it to end). */
const PERIOD = 3_600_000;

/** The cookie of a client that has the key (RFC 8803 §6.2.7: "configured on the Client by means that are outside of this document"). */
export function keyCookie(key: SharedKey): Uint8Array {
  return key.mac("convert cookie");
}

/** What a request may do; `cookie`: it is to come again with it. */
export type Admitted = "yes" | "no" | { readonly cookie: Uint8Array };

/** Judges requests. */
export class Admission {
  readonly #secret = SharedKey.create();
  readonly #ofKey: Uint8Array;
  readonly #networks: readonly IpPrefix[];
  readonly #now: () => number;

  /**
   * @param key Whose cookie is good from everywhere.
   * @param networks Whose hosts are given a cookie of their address.
   * @param now Milliseconds.
   */
  constructor(key: SharedKey, networks: readonly IpPrefix[], now: () => number = Date.now) {
    this.#ofKey = keyCookie(key);
    this.#networks = networks;
    this.#now = now;
  }

  /** @param address Of the client. @param cookie What it shows; null: none. */
  judge(address: string, cookie: Uint8Array | null): Admitted {
    const ip = parseHost(address);
    const known = ip !== null && this.#networks.some((network) => inPrefix(ip, network));
    const period = Math.floor(this.#now() / PERIOD);
    if (cookie === null) return known ? { cookie: this.#bound(ip.bytes, period) } : "no";
    if (sameMac(cookie, this.#ofKey)) return "yes";
    if (!known) return "no";
    const good = [period, period - 1].some((each) => sameMac(cookie, this.#bound(ip.bytes, each)));
    return good ? "yes" : "no";
  }

  #bound(address: Uint8Array, period: number): Uint8Array {
    const cookie = new Uint8Array(BOUND);
    new DataView(cookie.buffer).setUint32(0, period);
    const mac = this.#secret.mac("convert address", cookie.slice(0, 4), address);
    cookie.set(mac.subarray(0, BOUND - 4), 4);
    return cookie;
  }
}

/** "10.0.0.0/8, fd00::/8" of a prefix, for messages. */
export function formatPrefix({ address, length }: IpPrefix): string {
  return `${formatAddress(address.bytes)}/${length}`;
}
