/**
 * Addresses of both hosts as one connection knows them: `local_addr_table` and `remote_addr_table` of the draft (§2.3), address ids, and
 * announcements with their echo and retransmission (RFC 8684 §3.4).
 */

import type { Endpoint, HostAddress, Micros, PathSpec } from "../plugin.ts";
import type { PathLimits } from "./limits.ts";

/** An address of this host, before the connection gave it an id. */
export type LocalAddress = Omit<HostAddress, "id">;

/** Largest address id: it is one octet. */
const LAST_ID = 255;
/** Least time to wait for an echo, unless a shorter one is asked for: a first retransmission timeout (RFC 6298 §2.1, §2.4), as in Linux. */
const ECHO_TIMEOUT: Micros = 1e6;
/** Longest, where nothing else is asked for (Linux net.mptcp.add_addr_timeout). */
export const ADD_ADDR_TIMEOUT: Micros = 120e6;
/** Least time between a REMOVE_ADDR and the signals before and behind it. */
const SIGNAL_PAUSE: Micros = 100e3;
/** Most ids in one REMOVE_ADDR: Linux does not look at longer lists, and they fit beside timestamps. */
const MOST_REMOVED = 8;
/** Times that one ADD_ADDR is sent before it is given up. */
const MOST_SENDS = 6;

/** Echoes that wait for their ACKs: a peer that hears none sends its announcement again. */
const MOST_ECHOES = 8;

/** Announcements of a peer that are taken in the life of a connection: one that gives and takes back without end would aim our SYNs at others. */
const MOST_ANNOUNCED = 256;

/** IP version of an address in text. */
export function familyOf(address: string): 4 | 6 {
  return address.includes(":") ? 6 : 4;
}

/** A table with room for two more: one that holds `first` alone makes room for seventeen when the second is added, and each connection has two. */
function tableOf(first: HostAddress): HostAddress[] {
  const table: (HostAddress | null)[] = [first, null, null];
  while (table.length > 1) table.pop();
  return table as HostAddress[];
}

/** What became of an ADD_ADDR. */
export type Learned =
  /** Stored: it was not known. */
  | "added"
  /** Stored: it was known with another port. */
  | "changed"
  /** Known as it is. */
  | "known"
  /** Not stored; echoed, so that the peer stops sending it (RFC 8684 §3.4.1: "MAY discard"). */
  | "full"
  /** Its id belongs to another address (RFC 8684 §3.4.1: "the address MUST be the same"). */
  | "conflict";

/**
 * Both address tables of one connection.
 *
 * RFC 8684 §3.4.1: "All Address IDs learned via either MP_JOIN or ADD_ADDR SHOULD be stored by the receiver in a data structure that gathers all the
 * Address-ID-to-address mappings for a connection"
 */
export class Addresses {
  /** This host's, by time of arrival; the first has id 0. */
  readonly locals: HostAddress[];
  /** The peer's, by time of arrival. */
  readonly remotes: HostAddress[];
  readonly #limits: PathLimits;
  /** Port of the first subflow: of a join's source, as the join's own port is a temporary one. */
  readonly #port: number;
  /** Remotes that came with ADD_ADDR and count against the limit; true: it named a port. */
  #announced: Map<number, boolean> | null = null;
  /** Announcements taken in all: each may cost SYNs to where the peer likes. */
  #taken = 0;
  #nextId = 1;

  /** Tables that hold the ends of the first subflow under id 0. */
  constructor(first: PathSpec, limits: PathLimits) {
    this.locals = tableOf(first.local);
    this.remotes = tableOf(first.remote);
    this.#port = first.remote.port;
    this.#limits = limits;
  }

  /** Addresses of the peer that came with ADD_ADDR. */
  get accepted(): number {
    return this.#announced?.size ?? 0;
  }

  /** Gives an address of this host its id; null when it is known, or the table is full. */
  addLocal(address: LocalAddress): HostAddress | null {
    if (this.locals.some((known) => known.address === address.address)) return null;
    if (this.locals.length >= this.#limits.addresses) return null;
    const added = { ...address, id: this.freeId() };
    this.locals.push(added);
    return added;
  }

  /** Takes an address of this host out; null when it is not there. */
  removeLocal(address: string): HostAddress | null {
    const at = this.locals.findIndex((known) => known.address === address);
    return at < 0 ? null : this.locals.splice(at, 1)[0]!;
  }

  /** Gives an address of this host another id; one that has it gets its own in turn. Throws a RangeError when that is none. */
  identify(address: HostAddress, id: number): HostAddress {
    if (!Number.isInteger(id) || id < 1 || id > LAST_ID) {
      throw new RangeError(
        `Cannot give ${address.address} an id as it must be an integer from 1 to ${LAST_ID}: current value is ${id}`,
      );
    }
    const other = this.locals.findIndex((known) => known.id === id);
    if (other >= 0) this.locals[other] = { ...this.locals[other]!, id: address.id };
    const named = { ...address, id };
    this.locals[this.locals.indexOf(address)] = named;
    return named;
  }

  /** This host's entry for an address in text; undefined when it has none. */
  local(address: string): HostAddress | undefined {
    return this.locals.find((known) => known.address === address);
  }

  /** The peer's entry for an id; undefined when it has none. */
  remote(id: number): HostAddress | undefined {
    return this.remotes.find((known) => known.id === id);
  }

  /**
   * Takes in an ADD_ADDR whose HMAC is good; port 0 = none was named: `via`, the port that is in use by the subflow which brought it.
   *
   * RFC 8684 §3.4.1: "If no port is specified, MPTCP SHOULD attempt to connect to the specified address on the same port as the port that is already in
   * use by the subflow on which the ADD_ADDR signal was sent"
   */
  announced(id: number, endpoint: Endpoint, via: number = this.#port): Learned {
    // RFC 8684 §3.9.1: "the destination port of a SYN containing an MP_JOIN option SHOULD be the same as the remote port of the first subflow in the
    // connection"
    // RFC 8684 §3.9.1: "an MPTCP implementation SHOULD use the same ports as the ports that are already in use"
    const portless = endpoint.port === 0;
    // RFC 8684 §3.9.1: "the destination port of a SYN containing an MP_JOIN option SHOULD be the same as the remote port of the first subflow in the
    // connection"
    // RFC 8684 §3.9.1: "an MPTCP implementation SHOULD use the same ports as the ports that are already in use"
    const port = portless ? via : endpoint.port;
    const at = this.remotes.findIndex((known) => known.id === id);
    if (at >= 0) {
      const known = this.remotes[at]!;
      // RFC 8684 §3.4.1: "the address MUST be the same as the address previously assigned to this Address ID": else it is nobody's. What the source of a join
      // looked like is no assignment: a translator may lie between, and who has joined need not be connected to (§3.4).
      if (known.address !== endpoint.address) {
        return this.#announced?.has(id) ? "conflict" : "known";
      }
      // Without a port, as at first, it is the same again, whatever subflow brings it.
      if (known.port === port || (portless && this.#announced?.get(id) !== true)) return "known";
      this.remotes[at] = { ...known, port };
      if (this.#announced?.has(id)) this.#announced.set(id, !portless);
      return "changed";
    }
    // RFC 8684 §3.4.1: "an implementation MAY choose to cache these address advertisements even if they are not currently relevant"
    // A server may announce the address it is already reached at: a second entry would only double its paths.
    const same = this.remotes.some((r) => r.address === endpoint.address && r.port === port);
    if (same) return "known";
    // RFC 8684 §3.4.1: "an implementation MAY discard incoming address advertisements at will"
    // RFC 8684 §3.4.1: "a host MUST treat address advertisements as soft state": what finds no room is forgotten, and taken when it comes again.
    if (this.accepted >= this.#limits.addAddrAccepted) return "full";
    if (this.#taken >= MOST_ANNOUNCED || !this.learn(id, endpoint.address, port)) return "full";
    this.#announced ??= new Map();
    this.#announced.set(id, !portless);
    this.#taken++;
    return "added";
  }

  /** Whether the peer's entry for an id is there because an ADD_ADDR brought it. */
  wasAnnounced(id: number): boolean {
    return this.#announced?.has(id) === true;
  }

  /**
   * The peer's entry for the source of one of its joins, and whether it is new. An id that is known keeps its address, which is what the
   * peer itself calls it, whatever an address translator made of it. A source that no longer fits is not stored.
   */
  joined(id: number, endpoint: Endpoint): { address: HostAddress; added: boolean } {
    const known = this.remote(id);
    if (known !== undefined) return { address: known, added: false };
    // The join's own port is a temporary one: whoever connects back uses the port that is already in use.
    const added = this.learn(id, endpoint.address, this.#port);
    return { address: this.remote(id) ?? this.entryOf(id, endpoint.address, this.#port), added };
  }

  /** The peer calls `endpoint`, to which we have opened a path, `id`: the entry, if both are new. One address under two ids would only double its paths. */
  named(id: number, { address, port }: Endpoint): HostAddress | null {
    const known = this.remotes.some((each) => each.id === id || each.address === address);
    return !known && this.learn(id, address, port) ? this.remote(id)! : null;
  }

  /** Takes a REMOVE_ADDR for one id; null when it is not known (RFC 8684 §3.4.2: ignored). */
  removeRemote(id: number): HostAddress | null {
    const at = this.remotes.findIndex((known) => known.id === id);
    if (at < 0) return null;
    this.#announced?.delete(id);
    return this.remotes.splice(at, 1)[0]!;
  }

  private learn(id: number, address: string, port: number): boolean {
    if (this.remotes.length >= this.#limits.addresses) return false;
    // RFC 8684 §3.2: "A host MUST store the mappings between Address IDs and addresses both for itself and the remote host."
    // RFC 8684 §3.4.1: "All Address IDs learned via either MP_JOIN or ADD_ADDR SHOULD be stored by the receiver in a data structure"
    this.remotes.push(this.entryOf(id, address, port));
    return true;
  }

  private entryOf(id: number, address: string, port: number): HostAddress {
    return { id, address, port, family: familyOf(address), link: "" };
  }

  /**
   * Ids count up; only when all have been used is a free one used again.
   *
   * RFC 8684 §3.4.1: "The Address ID MUST uniquely identify the address for the sender of the option (within the scope of the connection)"
   */
  private freeId(): number {
    // RFC 8684 §3.4.1: "The Address ID MUST uniquely identify the address for the sender of the option"
    // RFC 8684 §3.4.1: "the address MUST be the same as the address previously assigned to this Address ID"
    while (this.#nextId > LAST_ID || this.locals.some((known) => known.id === this.#nextId)) {
      this.#nextId = this.#nextId >= LAST_ID ? 1 : this.#nextId + 1;
    }
    return this.#nextId++;
  }
}

/** What announcing needs of the connection. */
export interface AnnouncerTransport {
  /** The present. */
  readonly now: Micros;
  /** Paths in use, for their round trips. */
  readonly paths: readonly { readonly srtt: Micros }[];
  /** Sends an ADD_ADDR, or the echo of one; false when nothing can carry it now. */
  sendAddAddr(address: HostAddress, echo: boolean): boolean;
  /** Sends a REMOVE_ADDR; false when nothing can carry it now. */
  sendRemoveAddr(ids: readonly number[]): boolean;
  /** Has `flush` called at the end of this batch. */
  dirty(): void;
  /** Calls back at `time`; the result cancels. */
  at(time: Micros, callback: () => void): () => void;
}

/** One address that the peer has not confirmed. */
interface Pending {
  readonly address: HostAddress;
  sends: number;
}

/**
 * Announces addresses one at a time, since no more than two ACKs in a row may serve signals (RFC 8684 §3.4.1) and Linux handles one at a
 * time: the next is sent when the last is echoed, or its turn has passed. What is withdrawn in one batch goes into one REMOVE_ADDR. Linux looks at
 * signals some time after they came, keeps one list meanwhile and drops those that follow, and looks at removals before additions: so each REMOVE_ADDR,
 * which nothing confirms, has a pause before and behind it.
 */
export class Announcer {
  readonly #transport: AnnouncerTransport;
  /** By id, those that the peer was or will be told; null before the first. */
  #told: Map<number, HostAddress> | null = null;
  /** The first is out, the others wait. */
  #pending: Pending[] = [];
  #cancel: (() => void) | null = null;
  /** The peer's announcements, as they came, that are to be confirmed. */
  readonly #echoes: HostAddress[] = [];
  /** Ids of the REMOVE_ADDRs to come. */
  readonly #withdrawn: number[] = [];
  /** The peer may not have looked at the last signal: an ADD_ADDR of this id, or a REMOVE_ADDR where it is -1. */
  #last = -1;
  #pause: (() => void) | null = null;
  #started: boolean;
  readonly #timeout: Micros;

  /** Nothing is sent before `start`, unless it has `begun`. No echo is awaited longer than `timeout` before the first repeat; 0: nothing is repeated. */
  constructor(
    transport: AnnouncerTransport,
    timeout: Micros = ADD_ADDR_TIMEOUT,
    begun = false,
  ) {
    this.#transport = transport;
    this.#timeout = timeout;
    this.#started = begun;
  }

  /** ADD_ADDR may be sent from now on. */
  start(): void {
    this.#started = true;
    this.next();
  }

  /** Sends nothing any more. */
  stop(): void {
    this.#started = false;
    this.#echoes.length = 0;
    this.disarm();
    this.resume();
  }

  /** Confirms an announcement of the peer at the end of the batch; false when too many wait for that. */
  owe(echo: HostAddress): boolean {
    const { id, address, port } = echo;
    if (this.#echoes.some((e) => e.id === id && e.address === address && e.port === port)) {
      return true;
    }
    if (this.#echoes.length >= MOST_ECHOES) return false;
    this.#echoes.push(echo);
    this.#transport.dirty();
    return true;
  }

  /** How many addresses were sent and not withdrawn. */
  get announced(): number {
    return (this.#told?.size ?? 0) - this.#pending.filter(({ sends }) => sends === 0).length;
  }

  /** Whether the peer was or will be told of an id. */
  told(id: number): boolean {
    return this.#told?.has(id) === true;
  }

  /** How many announcements the peer has not confirmed. */
  get unconfirmed(): number {
    return this.#pending.length;
  }

  /** Announces an address; again only when its port is another. */
  announce(address: HostAddress): void {
    const told = this.#told?.get(address.id);
    if (told !== undefined && told.port === address.port) return;
    if (told !== undefined) this.forget(address.id);
    this.#told ??= new Map();
    this.#told.set(address.id, address);
    this.#pending.push({ address, sends: 0 });
    this.next();
  }

  /** Takes an announcement back; true when the peer may know of it, as it does of what is `used`: then it is told at the end of the batch. */
  withdraw(id: number, used = false): boolean {
    const unsent = this.#pending.some(({ address, sends }) => address.id === id && sends === 0);
    const told = this.#told?.delete(id) === true;
    this.forget(id);
    // RFC 8684 §3.4.2: "Even if an address is not in use by an MPTCP connection, if it has been previously announced, an implementation SHOULD
    // announce its removal."
    const known = used || (told && !unsent);
    if (known && !this.#withdrawn.includes(id)) {
      this.#withdrawn.push(id);
      this.#transport.dirty();
    }
    this.next();
    return known;
  }

  /** The peer may not have heard that these were taken back: it is told again. */
  again(ids: readonly number[]): void {
    for (const id of ids) if (!this.#withdrawn.includes(id)) this.#withdrawn.push(id);
    this.#transport.dirty();
  }

  /** The peer echoed an option: the address announced, or null when none waits for this echo, which is the same option (RFC 8684 §3.4.1). */
  echo(id: number, { address: text, port }: Endpoint): HostAddress | null {
    const found = this.#pending.find(({ address, sends }) =>
      address.id === id && sends > 0 && address.address === text && address.port === port
    );
    if (found === undefined) return null;
    this.forget(id);
    if (this.#last === id) this.resume();
    this.next();
    return found.address;
  }

  /** Ends a batch: echoes, and what was withdrawn in it, go out. What nothing carries waits for the batch in which something can. */
  flush(): void {
    while (this.#echoes.length > 0) {
      if (!this.#transport.sendAddAddr(this.#echoes[0]!, true)) return;
      this.#echoes.shift();
    }
    if (!this.#started || this.#pause !== null) return;
    if (this.#withdrawn.length === 0) {
      this.announceNext();
      return;
    }
    const ids = this.#withdrawn.slice(0, MOST_REMOVED);
    if (!this.#transport.sendRemoveAddr(ids)) return;
    this.#withdrawn.splice(0, ids.length);
    this.rest(-1);
  }

  private forget(id: number): void {
    if (this.#pending[0]?.address.id === id) this.disarm();
    this.#pending = this.#pending.filter(({ address }) => address.id !== id);
  }

  private disarm(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  /** A signal is out: the peer gets time to look at it. */
  private rest(id: number): void {
    const { now } = this.#transport;
    this.resume();
    this.#last = id;
    this.#pause = this.#transport.at(now + Math.max(SIGNAL_PAUSE, this.srtt()), () => {
      this.#pause = null;
      this.flush();
      this.next();
    });
  }

  private resume(): void {
    this.#pause?.();
    this.#pause = null;
  }

  /** Longest round trip of the paths in use. */
  private srtt(): Micros {
    let srtt = 0;
    for (const path of this.#transport.paths) srtt = Math.max(srtt, path.srtt);
    return srtt;
  }

  /** Sends what is first in the queue; where nothing carries it now, in a later batch. */
  private next(): void {
    if (!this.announceNext()) this.#transport.dirty();
  }

  /**
   * The same, unless its echo is still awaited, or something is to be removed before.
   *
   * RFC 8684 §3.4.1: "A host wishing to replace an existing Address ID MUST first remove the existing one". False: nothing
   * carries it now.
   */
  private announceNext(): boolean {
    const first = this.#pending[0];
    if (!this.#started || this.#cancel !== null || first === undefined) return true;
    // RFC 8684 §3.4.1: "A host wishing to replace an existing Address ID MUST first remove the existing one (Section 3.4.2)."
    if (this.#withdrawn.length > 0 || this.#pause !== null) return true;
    if (!this.#transport.sendAddAddr(first.address, false)) return false;
    const wait = this.echoWait() * 2 ** first.sends;
    first.sends++;
    this.#cancel = this.#transport.at(this.#transport.now + wait, () => this.expire());
    this.rest(first.address.id);
    return true;
  }

  /** How long the echo of a first ADD_ADDR is awaited. */
  private echoWait(): Micros {
    const usual = Math.max(ECHO_TIMEOUT, 2 * this.srtt());
    return this.#timeout === 0 ? usual : Math.min(this.#timeout, usual);
  }

  /** No echo came: another announcement has its turn, this one waits for its next. */
  private expire(): void {
    this.#cancel = null;
    const first = this.#pending.shift();
    const again = first !== undefined && this.#timeout > 0 && first.sends < MOST_SENDS;
    if (again) this.#pending.push(first);
    this.next();
  }
}
