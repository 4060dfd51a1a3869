/** Routing by source address (draft §4.1): what we open leaves by the link that owns its source, an answer by the link that the question came by. */

import { CHECKSUM_FULL, CHECKSUM_NONE, CHECKSUM_PARTIAL } from "../../wasm/layout.ts";
import type { HostAddress } from "../plugin.ts";
import type { Outlet, Waiter } from "../subflow/shared.ts";
import {
  formatAddress,
  inPrefix,
  type IpAddress,
  type IpPrefix,
  isHostAddress,
  parseAddress,
  parsePrefix,
} from "../wire/ip.ts";
import type { PacketOut } from "../wire/packet.ts";
import type { Link } from "./link.ts";

const CHECKSUM_MODES = {
  full: CHECKSUM_FULL,
  partial: CHECKSUM_PARTIAL,
  none: CHECKSUM_NONE,
} as const;

/** A link as subflows see it. */
export class LinkOutlet implements Outlet {
  readonly link: Link;
  readonly mtu: number;
  readonly checksumMode: number;
  #up = true;
  #gone = false;
  #blocked = false;
  /** Who waits while it is blocked, the one that came first in front; the other set is for those that come while they are told. */
  #waiting = new Set<Waiter>();
  #told = new Set<Waiter>();

  /** @param link The link. */
  constructor(link: Link) {
    this.link = link;
    this.mtu = link.mtu;
    this.checksumMode = CHECKSUM_MODES[link.txChecksum];
  }

  get name(): string {
    return this.link.name;
  }

  /** A link may find out that it has to do without super-segments. */
  get maxSegments(): number {
    return Math.max(1, this.link.maxSegments);
  }

  send(packet: Readonly<PacketOut>): boolean {
    // What is sent on a link that is down is lost, RSTs too: the peer finds out by REMOVE_ADDR, or by silence.
    if (!this.#up || this.link.send(packet)) return true;
    this.#blocked = true;
    return false;
  }

  /** False while it is taken down: its addresses are not used. */
  get up(): boolean {
    return this.#up;
  }

  /** Its device is gone: it stays down. */
  get gone(): boolean {
    return this.#gone;
  }

  /** Its device is gone; false when it was before. */
  lose(): boolean {
    if (this.#gone) return false;
    this.#gone = true;
    this.#up = false;
    return true;
  }

  /** Takes it up or down; false when it is that already, or can be that no more. */
  setUp(up: boolean): boolean {
    if (this.#gone) return false;
    const changed = this.#up !== up;
    this.#up = up;
    return changed;
  }

  get blocked(): boolean {
    return this.#blocked;
  }

  wait(waiter: Waiter): void {
    this.#waiting.add(waiter);
  }

  /** The link takes packets again: tells those who waited, and nobody else. */
  unblock(): void {
    if (!this.#blocked) return;
    this.#blocked = false;
    const told = this.#waiting;
    this.#waiting = this.#told;
    this.#told = told;
    for (const waiter of told) waiter.writable();
    told.clear();
  }
}

/** An address of the host. */
export interface LocalAddress {
  /** As plugins see it. */
  readonly view: HostAddress;
  /** With its network. */
  readonly prefix: IpPrefix;
  /** The link that owns it. */
  readonly outlet: LinkOutlet;
}

/** Addresses and links of one host. */
export class Routes {
  /** Links by the objects that hosts are given. */
  readonly outlets = new Map<Link, LinkOutlet>();
  readonly #locals: LocalAddress[] = [];
  /** Those that take packets for any address. */
  readonly #transparent = new Set<LinkOutlet>();

  /** Addresses of links that are up. */
  get addresses(): HostAddress[] {
    return this.#locals.filter(({ outlet }) => outlet.up).map(({ view }) => view);
  }

  /** Where the answer to a packet leaves that came over `link` for `local`: by the same link, as long as it is one of the host's and up. */
  back(link: Link | null, local: LocalAddress): LinkOutlet {
    const outlet = link === null ? undefined : this.outlets.get(link);
    return outlet !== undefined && outlet.up ? outlet : local.outlet;
  }

  /** Adds a link; `transparent`: what comes by it may be for any address, which is then as one of the host's. */
  addLink(link: Link, transparent = false): LinkOutlet {
    let outlet = this.outlets.get(link);
    if (outlet === undefined) {
      outlet = new LinkOutlet(link);
      this.outlets.set(link, outlet);
      if (transparent) this.#transparent.add(outlet);
    }
    return outlet;
  }

  /**
   * Adds an address, "10.0.0.1/24".
   *
   * @throws {TypeError} it is not one, or the link is unknown.
   */
  addAddress(link: Link, text: string): LocalAddress {
    const prefix = parsePrefix(text);
    if (prefix === null) {
      throw new TypeError(
        `Cannot add the address as it must be like "10.0.0.1/24" or "fd00::1/64": current value is "${text}"`,
      );
    }
    const outlet = this.outlets.get(link);
    if (outlet === undefined) {
      throw new TypeError(`Cannot add ${text} as link "${link.name}" is not one of this host`);
    }
    // Packets and announcements are looked up by the one text that an address has (RFC 5952).
    const address = formatAddress(prefix.address.bytes);
    const local: LocalAddress = {
      view: { address, port: 0, id: 0, family: prefix.address.family, link: link.name },
      prefix,
      outlet,
    };
    if (this.find(address) === undefined) this.#locals.push(local);
    return local;
  }

  /** Removes an address; undefined when it is none of ours. */
  removeAddress(address: string): LocalAddress | undefined {
    const local = this.find(address);
    return local && this.#locals.splice(this.#locals.indexOf(local), 1)[0];
  }

  /** Addresses of a link. */
  of(outlet: LinkOutlet): LocalAddress[] {
    return this.#locals.filter((local) => local.outlet === outlet);
  }

  /** Other addresses of its family that packets could leave from now. */
  beside(local: LocalAddress): LocalAddress[] {
    return this.#locals.filter((each) =>
      each !== local && each.outlet.up && each.prefix.address.family === local.prefix.address.family
    );
  }

  /** The address of that text, in whatever way it is written. */
  find(address: string): LocalAddress | undefined {
    const parsed = address.includes(":") ? parseAddress(address) : null;
    const text = parsed === null ? address : formatAddress(parsed.bytes);
    return this.#locals.find(({ view }) => view.address === text);
  }

  /** The address of the host that a packet which came over `link` is for; undefined: it is for somebody else. */
  destination(link: Link | null, address: IpAddress): LocalAddress | undefined {
    const text = formatAddress(address.bytes);
    const own = this.find(text);
    const outlet = link === null ? undefined : this.outlets.get(link);
    if (own !== undefined || outlet === undefined || !this.#transparent.has(outlet)) return own;
    if (!isHostAddress(address.bytes)) return undefined;
    const { family } = address;
    // The packet's own bytes are gone with it.
    const prefix = {
      address: { family, bytes: address.bytes.slice() },
      length: family === 4 ? 32 : 128,
    };
    return { view: { address: text, port: 0, id: 0, family, link: outlet.name }, prefix, outlet };
  }

  /** Source for a destination where none is named: the longest matching network of a link that is up, else the first address of the family (draft CFG-3). */
  sourceFor(remote: IpAddress): LocalAddress | undefined {
    let best: LocalAddress | undefined;
    let length = -1;
    for (const local of this.#locals) {
      if (!local.outlet.up || local.prefix.address.family !== remote.family) continue;
      const match = inPrefix(remote, local.prefix) ? local.prefix.length : 0;
      if (match > length) {
        best = local;
        length = match;
      }
    }
    return best;
  }

  /**
   * Sources for a destination, the one of `sourceFor` first: what else could carry packets there. An address that is good on its own link alone is none of
   * them (RFC 6724 §5, rule 2: "Prefer appropriate scope").
   */
  sourcesFor(remote: IpAddress): LocalAddress[] {
    const first = this.sourceFor(remote);
    if (first === undefined) return [];
    const scope = isLinkLocal(remote);
    const others = this.beside(first).filter(({ prefix }) => isLinkLocal(prefix.address) === scope);
    return [first, ...others];
  }
}

/** fe80::/10 (RFC 4291 §2.5.6) and 169.254.0.0/16 (RFC 3927). */
function isLinkLocal({ family, bytes }: IpAddress): boolean {
  return family === 6
    ? bytes[0] === 0xfe && (bytes[1]! & 0xc0) === 0x80
    : bytes[0] === 169 && bytes[1] === 254;
}
