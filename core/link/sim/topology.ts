/**
 * What makes hosts, routers and links into one network: each link is a network of its own with addresses at its hosts, and each router knows the shortest
 * way to each of them.
 */

import type { Link } from "../../host/link.ts";
import type { SimHost } from "./host.ts";
import type { LinkOptions, SimLink } from "./link.ts";
import type { Network } from "./network.ts";
import { Router } from "./router.ts";

/** A host's end of a link. */
export interface Attachment {
  /** The host. */
  readonly host: SimHost;
  /** The link as its stack sees it. */
  readonly link: Link;
  /** Its address there. */
  readonly address: string;
  /** The same with the length of the prefix. */
  readonly prefix: string;
}

/** A way that somebody wants, whatever is shortest. */
interface WantedRoute {
  readonly router: string;
  readonly to: string;
  readonly over: string;
  readonly dscp: number | undefined;
}

/** One link, and where it lies. */
interface Subnet {
  readonly link: SimLink;
  readonly a: SimHost | Router;
  readonly b: SimHost | Router;
  readonly prefix: string;
}

/** Most links: as many networks as their addresses have room for. */
const MOST_LINKS = 65536;

/** Names as an error lists them. */
function listed(names: Iterable<string>): string {
  const all = [...names];
  const shown = all.slice(0, 20).join(", ");
  return all.length === 0 ? "none yet" : all.length > 20 ? `${shown}, …` : shown;
}

/**
 * Names, addresses and routes of a network.
 *
 * Link number N, from 0 on in the order in which they are added, is 10.X.Y.0/24 with N = 256 X + Y, or fd00:0:0:N::/64. A host at its first end has the
 * address that ends with 1 there, one at its second end the one with 2, or with 1 where the first is a router.
 *
 * Packets go the way over fewest links. Of several such ways each flow keeps to one, see {@linkcode Router.route}. Hosts forward nothing. Cuts change no
 * routes.
 */
export class Topology {
  readonly #network: Network;
  readonly #family: 4 | 6;
  readonly #hosts = new Map<string, SimHost>();
  readonly #routers = new Map<string, Router>();
  readonly #subnets = new Map<string, Subnet>();
  readonly #attachments = new Map<string, Attachment[]>();
  readonly #wanted: WantedRoute[] = [];
  /** Links that were added since routes were last computed. */
  #stale = false;

  /** An empty one on `network`, with addresses of `family`. */
  constructor(network: Network, family: 4 | 6 = 4) {
    this.#network = network;
    this.#family = family;
  }

  /** Adds a host. Names are unique. */
  host(name: string): SimHost {
    const host = this.#network.host(name);
    this.#hosts.set(name, host);
    this.#attachments.set(name, []);
    return host;
  }

  /** Adds a router. */
  router(name: string): Router {
    const router = this.#network.router(name);
    this.#routers.set(name, router);
    return router;
  }

  /** The hosts by name, in the order in which they were added. */
  get hosts(): ReadonlyMap<string, SimHost> {
    return this.#hosts;
  }

  /** The routers by name. */
  get routers(): ReadonlyMap<string, Router> {
    return this.#routers;
  }

  /**
   * Joins two nodes. Routes follow with {@linkcode settle}.
   *
   * @throws {TypeError} There is no node of a name, or both are the same.
   * @throws {RangeError} There are 65,536 links.
   */
  link(
    name: string,
    between: readonly [string, string],
    options: LinkOptions,
  ): { readonly link: SimLink; readonly ends: readonly Attachment[] } {
    const [a, b] = between.map((node) => this.#node(name, node)) as [
      SimHost | Router,
      SimHost | Router,
    ];
    if (a === b) throw new TypeError(`Cannot link "${a.name}" with itself, by "${name}"`);
    const number = this.#subnets.size;
    if (number >= MOST_LINKS) {
      throw new RangeError(`Cannot add link "${name}" as a network has ${MOST_LINKS} at most`);
    }
    const link = this.#network.link(name, a, b, options);
    const four = this.#family === 4;
    const net = four
      ? `10.${number >> 8}.${number & 255}.`
      : number === 0
      ? "fd00::"
      : `fd00:0:0:${number.toString(16)}::`;
    const bits = four ? 24 : 64;
    this.#subnets.set(name, { link, a, b, prefix: `${net}${four ? "0" : ""}/${bits}` });
    const ends: Attachment[] = [];
    for (const node of [a, b]) {
      if (node instanceof Router) continue;
      const address = `${net}${ends.length + 1}`;
      const end = { host: node, link: link.end(node), address, prefix: `${address}/${bits}` };
      ends.push(end);
      this.#attachments.get(node.name)!.push(end);
    }
    this.#stale = true;
    return { link, ends };
  }

  /** Addresses of a host, in the order of its links; none: there is no host of that name. */
  addresses(host: string): string[] {
    return (this.#attachments.get(host) ?? []).map(({ address }) => address);
  }

  /**
   * Has a router send what is for a host, a prefix, or one address over a link of its own, whatever is shortest; with `dscp` only what has that codepoint.
   *
   * @throws {TypeError} There is no router, link or destination of that name, or the link ends elsewhere.
   */
  want(router: string, to: string, over: string, dscp?: number): void {
    if (!this.#routers.has(router)) {
      throw new TypeError(
        `Cannot route at "${router}" as the routers are: ${listed(this.#routers.keys())}`,
      );
    }
    if (!this.#subnets.has(over)) {
      throw new TypeError(
        `Cannot route over "${over}" as the links are: ${listed(this.#subnets.keys())}`,
      );
    }
    const wanted = { router, to, over, dscp };
    this.#apply(wanted);
    this.#wanted.push(wanted);
  }

  /** Computes the routes of all routers, if links were added. */
  settle(): void {
    if (!this.#stale) return;
    this.#stale = false;
    const ways = this.#ways();
    for (const { link, a, b, prefix } of this.#subnets.values()) {
      const router = a instanceof Router ? a : b instanceof Router ? b : null;
      if (router === null || (a instanceof Router && b instanceof Router)) continue;
      router.route(prefix, link);
      for (const [from, over] of this.#towards(router, ways)) from.route(prefix, over);
    }
    for (const wanted of this.#wanted) this.#apply(wanted);
  }

  #node(link: string, name: string): SimHost | Router {
    const node = this.#hosts.get(name) ?? this.#routers.get(name);
    if (node !== undefined) return node;
    throw new TypeError(
      `Cannot link "${name}" by "${link}" as hosts and routers are: ${
        listed([...this.#hosts.keys(), ...this.#routers.keys()])
      }`,
    );
  }

  /** Links between routers, by router. */
  #ways(): Map<Router, { readonly link: SimLink; readonly to: Router }[]> {
    const ways = new Map<Router, { readonly link: SimLink; readonly to: Router }[]>();
    for (const router of this.#routers.values()) ways.set(router, []);
    for (const { link, a, b } of this.#subnets.values()) {
      if (!(a instanceof Router && b instanceof Router)) continue;
      ways.get(a)!.push({ link, to: b });
      ways.get(b)!.push({ link, to: a });
    }
    return ways;
  }

  /** For each router that reaches `target`, its links on shortest ways there. */
  #towards(
    target: Router,
    ways: ReadonlyMap<Router, readonly { readonly link: SimLink; readonly to: Router }[]>,
  ): Map<Router, SimLink[]> {
    const distance = new Map<Router, number>([[target, 0]]);
    const found = [target];
    for (const router of found) {
      for (const { to } of ways.get(router)!) {
        if (distance.has(to)) continue;
        distance.set(to, distance.get(router)! + 1);
        found.push(to);
      }
    }
    const over = new Map<Router, SimLink[]>();
    for (const router of found) {
      if (router === target) continue;
      const next = distance.get(router)! - 1;
      const links = ways.get(router)!.filter(({ to }) => distance.get(to) === next);
      over.set(router, links.map(({ link }) => link));
    }
    return over;
  }

  #apply({ router, to, over, dscp }: WantedRoute): void {
    const { link } = this.#subnets.get(over)!;
    const destinations = this.#attachments.has(to) ? this.addresses(to) : [to];
    for (const destination of destinations) {
      this.#routers.get(router)!.route(destination, link, dscp);
    }
  }
}
