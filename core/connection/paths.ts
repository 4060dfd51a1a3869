/** The connection's side of the draft's line (§2.1): opens, closes and announces what the path side asks for. */

import type {
  Endpoint,
  HostAddress,
  Micros,
  PathContext,
  PathIndex,
  PathLimitsView,
  PathManagerPlugin,
  PathSpec,
  PathView,
  SubflowChange,
} from "../plugin.ts";
import { familyOf } from "../path/addresses.ts";
import { ConnectionPaths, type PathTransport } from "../path/context.ts";
import type { SynOffer } from "../subflow/handshake.ts";
import type { Outlet } from "../subflow/shared.ts";
import { Subflow } from "../subflow/subflow.ts";
import { parseAddress } from "../wire/ip.ts";
import {
  type MpJoin,
  RST_MIDDLEBOX,
  RST_PERFORMANCE,
  RST_PROHIBITED,
  RST_RESOURCE,
  RST_UNSPECIFIED,
} from "../wire/mptcp.ts";
import { tx } from "../wire/segment.ts";
import type { FlowPlan } from "./host.ts";
import { addAddrHmac, joinHmac } from "./keys.ts";
import type { MetaSocket } from "./meta_socket.ts";
import { MPTCP } from "./mode.ts";
import { unheard } from "./stale.ts";

/** A join of the peer's whose SYN was answered, and both random numbers (RFC 8684 §3.2). */
export interface ProposedJoin {
  /** Ours, and the peer's. */
  readonly nonce: number;
  readonly peerNonce: number;
  /** The B flag of the SYN. */
  readonly backup: boolean;
  /** Id of the peer's address. */
  readonly addressId: number;
}

/** A REMOVE_ADDR that has left: nothing confirms it. */
interface Removal {
  readonly ids: readonly number[];
  readonly carrier: Subflow;
  /** When it is heard from the peer, if it has arrived. */
  readonly answeredAt: Micros;
  /** Nothing was heard since on its subflow, which has fallen silent. */
  lost: boolean;
}

/** So many of them are kept, the last ones. */
const MOST_REMOVALS = 16;

/** Whether anything has come on the subflow of `removal` since the peer has it. */
function heardSince({ carrier, answeredAt, lost }: Removal): boolean {
  return !lost && carrier.sender.lastHeard >= answeredAt;
}

/** The last ends of first subflows, ours and the peer's: where many connections go to one place, or come to it, they share what names it. */
const latest: HostAddress[] = [];

/** An end of the first subflow; `side`: 0 ours, 1 the peer's. */
function initial(side: 0 | 1, { address, port }: Endpoint, link: string): HostAddress {
  const last = latest[side];
  if (last?.address === address && last.port === port && last.link === link) return last;
  return latest[side] = Object.freeze({ address, port, id: 0, family: familyOf(address), link });
}

/** A local address and a remote end that a join with the local port of the first subflow went between, and the one before. */
interface Pair {
  readonly local: string;
  readonly remote: Endpoint;
  readonly before: Pair | null;
}

function isPair(local: string, remote: Endpoint, address: string, end: Endpoint): boolean {
  return local === address && remote.address === end.address && remote.port === end.port;
}

/** What most connections never meet: made for the first of it. */
class Rarities {
  /** The only subflow there ever was, which is left as soon as all in flight is acknowledged. */
  draining: Subflow | null = null;
  /** Those that the peer may not have got; null: there was none. */
  removals: Removal[] | null = null;
  /** The last ADD_ADDR found nothing that could carry it. */
  full = false;
  /** The same of a REMOVE_ADDR. */
  removalWaits = false;
}

/** Implements the path side's transport for one connection, and hands it what arrives. */
export class PathTransportOf implements PathTransport {
  readonly #meta: MetaSocket;
  readonly #plugin: PathManagerPlugin;
  #side: ConnectionPaths | null = null;
  #rare: Rarities | null = null;
  /** The last of ours; null: there was none. */
  #pairs: Pair | null = null;

  /** @param meta The connection. @param plugin Its path manager. */
  constructor(meta: MetaSocket, plugin: PathManagerPlugin) {
    this.#meta = meta;
    this.#plugin = plugin;
  }

  private rarities(): Rarities {
    return this.#rare ??= new Rarities();
  }

  private get removals(): Removal[] | null {
    return this.#rare === null ? null : this.#rare.removals;
  }

  get role(): "client" | "server" {
    return this.#meta.role;
  }

  get now(): Micros {
    return this.#meta.host.now;
  }

  get paths(): readonly PathView[] {
    return this.#meta.subflows;
  }

  get peerDeniesJoinToInitial(): boolean {
    return this.#meta.keys.denied;
  }

  get token(): number {
    return this.#meta.keys.token >>> 0;
  }

  route(remote: HostAddress): string | null {
    return this.#meta.host.route(remote.address);
  }

  /** The path side, made when it is first needed: a connection that stays plain TCP has none. */
  get side(): ConnectionPaths {
    return this.#side ??= this.make();
  }

  /** The same for what becomes of the first subflow, which may leave before anything else has needed it; null: no path is opened any more, or none was agreed on. */
  private sideToTell(): ConnectionPaths | null {
    const { established, mode, over } = this.#meta;
    return this.#side ?? (established && mode === MPTCP && !over ? this.side : null);
  }

  /** What a path manager and the application see. */
  get context(): PathContext {
    return this.side.context;
  }

  /** The bounds in force. */
  get limits(): Pick<PathLimitsView, "addAddrAccepted" | "subflows"> {
    return this.#side?.limits ?? this.#meta.mptcp;
  }

  /** Addresses that the peer was told and that were not taken back. */
  get signalled(): number {
    return this.#side?.announced ?? 0;
  }

  /** Addresses that the peer announced, that were taken, and that it has not taken back. */
  get accepted(): number {
    return this.#side?.accepted ?? 0;
  }

  private make(): ConnectionPaths {
    const { host, localEndpoint, remoteEndpoint } = this.#meta;
    const own = host.addresses.find(({ address }) => address === localEndpoint.address);
    const first: PathSpec = {
      local: initial(0, localEndpoint, own?.link ?? ""),
      remote: initial(1, remoteEndpoint, ""),
    };
    const locals = host.addresses.filter(({ address }) => address !== localEndpoint.address);
    const { addAddrTimeout, subflows, addAddrAccepted } = this.#meta.mptcp;
    const limits = { subflows, addAddrAccepted };
    const side = new ConnectionPaths(this, this.#plugin, { first, locals, limits, addAddrTimeout });
    // Whoever looks at it may do so when there is no path to be opened any more.
    if (this.#meta.over) side.stop();
    else if (this.#meta.fallback) side.settle();
    return side;
  }

  /** The peer has both keys; `joins`: a DSS has come, so that paths may be opened (RFC 8684 §3.1). */
  start(joins: boolean): void {
    // The only subflow is damaged, and about to go on alone (RFC 8684 §3.7).
    if (this.#meta.damage !== null) return;
    this.side.start(joins);
  }

  /** The connection has ended. */
  stop(): void {
    this.#meta.host.releasePorts(this.#meta);
    this.#side?.stop();
  }

  /** It is plain TCP from now on: no path is opened any more. */
  settle(): void {
    this.#meta.host.releasePorts(this.#meta);
    this.#side?.settle();
  }

  /** Nothing is opened or announced until it goes on, or is plain TCP. */
  pause(): void {
    this.#side?.settle();
  }

  /** It goes on as it was before the pause. */
  resume(): void {
    this.#side?.resume();
  }

  /** The peer's RST on `subflow` had an MP_TCPRST; `transient`: its T flag. */
  resetTold(subflow: Subflow, reason: number, transient: boolean): void {
    this.sideToTell()?.resetTold(subflow.path, { reason, transient });
  }

  /** `subflow`, which is about to leave, has moved data. */
  moved(subflow: Subflow): void {
    this.sideToTell()?.moved(subflow.path);
  }

  /** We have reset `subflow`, and its path is wanted again; `soon`: it works as far as such a path can. */
  replaced(subflow: Subflow, soon: boolean): void {
    this.sideToTell()?.replaced(subflow.path, soon);
  }

  /** `subflow` has been silent for long: its path may work from another port. */
  silent(subflow: Subflow): void {
    if (subflow.active && !subflow.leaving && !this.#meta.fallback && !this.#meta.over) {
      this.#side?.silent(subflow.path);
    }
  }

  unheard(path: PathIndex): boolean {
    const subflow = this.#meta.subflows.find((each) => each.path === path);
    return subflow !== undefined && unheard(subflow, this.now);
  }

  /** The host has one more address. */
  localAdded(address: HostAddress): void {
    this.#side?.localAdded(address);
  }

  /** The host uses one no longer; its link still sends. */
  localRemoved(address: string): void {
    this.#side?.localRemoved(address);
    for (const subflow of this.#meta.attempts) {
      if (subflow.local.address === address) this.drop(subflow);
    }
  }

  /** A link takes nothing any more: what leaves by it ends at once, as neither FIN nor answer could pass. */
  linkDown(outlet: Outlet, now: Micros): void {
    for (const subflow of this.#meta.attempts) {
      if (subflow.outlet !== outlet || subflow.ended !== null) continue;
      this.#meta.host.count("RmSubflow");
      this.#meta.reset(subflow, RST_UNSPECIFIED, now);
    }
  }

  /** The peer announced an address on a subflow to its port `via`; the HMAC is good. */
  announced(id: number, address: string, port: number, via: number): void {
    if (!this.side.remoteAnnounced(id, { address, port }, via)) {
      this.#meta.host.count("EchoAddTxDrop");
    }
  }

  /** The peer confirmed an announcement. */
  echoed(id: number, address: string, port: number): void {
    this.side.echoReceived(id, { address, port });
  }

  /** Ends a batch. */
  flush(): void {
    this.#side?.flush();
    const draining = this.#rare === null ? null : this.#rare.draining;
    if (draining === null || !draining.drained) return;
    this.rarities().draining = null;
    this.#meta.reset(draining, RST_UNSPECIFIED, this.now);
  }

  /**
   * The peer took addresses back. A path that still works is not removed, but nothing is opened to its address any more, and what it carries is offered to
   * the others while it is asked.
   *
   * RFC 8684 §3.4.2: "If the path is found to still be alive, the receiving host SHOULD no longer use the specified address for future connections, but it is
   * the responsibility of the host that sent the REMOVE_ADDR to shut down the subflow."
   */
  remoteRemoved(ids: readonly number[]): void {
    this.side.remoteRemoved(ids);
    const meta = this.#meta;
    for (const subflow of meta.attempts) {
      const known = this.side.spec(subflow.path)?.remote.id ?? -1;
      if (!ids.includes(subflow.remoteId) && !ids.includes(known)) continue;
      if (subflow.ended !== null) continue;
      subflow.inquire(this.now);
      meta.reinject(subflow);
      if (subflow.ended !== null) meta.subflowEnded();
    }
    meta.dirty();
  }

  /** The peer names its end of a subflow that we open: it is known by that id from now on. */
  named(subflow: Subflow, id: number): void {
    subflow.learnRemoteId(id);
    this.side.remoteNamed(id, subflow.remote);
  }

  /** A subflow changed. */
  subflowChanged(subflow: Subflow, change: SubflowChange, reason?: string): void {
    const side = change === "left" ? this.sideToTell() : this.#side;
    if (side === null) return;
    if (subflow.join) this.settled(subflow, change === "left" && reason === "timeout");
    if (
      change === "joined" && subflow.join && this.role === "server" &&
      side.spec(subflow.path) === undefined
    ) {
      side.joinSeen(subflow.path, subflow.remoteId, subflow.remote, subflow.local);
    }
    side.subflowChanged(subflow.path, change, reason);
    if (this.removals === null || (change !== "joined" && change !== "left")) return;
    const other = change === "joined" ? subflow : this.carrier(() => true);
    if (other === null) return;
    this.removeAgain(({ carrier, lost }) => carrier.ended !== null || lost, other);
  }

  /** A timeout of `subflow` has passed: what has left on it since it was heard may have gone nowhere, and goes elsewhere if it can. */
  fellSilent(subflow: Subflow): void {
    if (this.removals === null) return;
    for (const removal of this.removals) {
      if (removal.carrier === subflow && !heardSince(removal)) removal.lost = true;
    }
    const other = this.#meta.subflows.find(({ usable, silent }) => usable && !silent);
    if (other !== undefined) this.removeAgain(({ lost }) => lost, other);
  }

  /** `subflow`, which was silent, is heard again. */
  heardAgain(subflow: Subflow): void {
    if (this.removals !== null) {
      this.removeAgain(({ carrier, lost }) => carrier === subflow && lost, subflow);
    }
  }

  /**
   * What the peer may not have got of REMOVE_ADDRs goes again on `subflow`, unless that is over one of the addresses itself.
   *
   * RFC 8684 §3.4.2: "the affected host SHOULD announce this situation so that the peer can remove subflows related to this address": also when the only
   * subflow went with it, or with the network for a while.
   */
  private removeAgain(of: (removal: Removal) => boolean, subflow: Subflow): void {
    const goes = (each: Removal): boolean => of(each) && !each.ids.includes(subflow.localId);
    const open = this.removals!.filter((each) => !heardSince(each));
    const ids = open.filter(goes).flatMap((each) => each.ids);
    const left = open.filter((each) => !goes(each));
    this.rarities().removals = left.length > 0 ? left : null;
    if (ids.length > 0) this.side.withdrawnAgain(ids);
  }

  /** A join is half-open no longer. */
  private settled(subflow: Subflow, unanswered: boolean): void {
    const { host } = this.#meta;
    if (host.halfOpenJoins.over(subflow) && unanswered) host.count("MPJoinExpired");
  }

  /** Whether of no further join state is kept before its third ACK. */
  get crowded(): boolean {
    const { host, mptcp, pendingJoins } = this.#meta;
    return pendingJoins >= mptcp.joinBacklog || host.halfOpenJoins.crowded;
  }

  /** Drops the oldest half-open join if its SYN/ACK was sent again without an answer, as listeners do with connections (RFC 4987 §3.4). */
  private evict(now: Micros): boolean {
    const { attempts } = this.#meta;
    const oldest = attempts.find(({ join, active, opening, ended }) =>
      join && !active && opening && ended === null
    );
    if (oldest === undefined || !oldest.handshakeRepeated) return false;
    this.#meta.reset(oldest, RST_RESOURCE, now);
    this.settled(oldest, true);
    return true;
  }

  /** A SYN with MP_JOIN is in RX_*: the reason to refuse it, or null when a subflow now answers it. */
  joinArrived(option: MpJoin, plan: FlowPlan, now: Micros): number | null {
    const { addressId } = option;
    // RFC 8684 §3.2: "the recipient SHOULD respond with a SYN/ACK also containing an MP_JOIN option containing a random number and a
    // truncated (leftmost 64 bits) HMAC"
    const reason = this.refuseJoin(addressId, plan.remote, plan.local);
    if (reason !== null) return reason;
    if (this.crowded && (!this.evict(now) || this.crowded)) return RST_RESOURCE;
    const subflow = this.join(this.proposeJoin(option), plan);
    if (subflow === null) return RST_RESOURCE;
    this.#meta.host.halfOpenJoins.begun(subflow);
    subflow.accept(now);
    this.#meta.dirty();
    return null;
  }

  /** Why a join from `remote` to `local` is refused; null when it is not. */
  refuseJoin(addressId: number, remote: Endpoint, local: Endpoint): number | null {
    const { localEndpoint, mptcp } = this.#meta;
    const initial = local.address === localEndpoint.address && local.port === localEndpoint.port;
    // RFC 8684 §3.1: "the sender of this option will not accept additional MPTCP subflows to the source address and port"
    if (initial && !mptcp.allowJoinInitialAddress) return RST_PROHIBITED;
    // The only subflow is damaged, and about to go on alone (RFC 8684 §3.7).
    if (this.#meta.damage !== null) return RST_MIDDLEBOX;
    return this.side.refuseJoin(addressId, remote, local);
  }

  /** A join to be answered: our random number is drawn, unless it was `drawn` when its SYN came before. */
  proposeJoin({ nonce, backup, addressId }: MpJoin, drawn: number | null = null): ProposedJoin {
    return {
      nonce: drawn ?? this.#meta.host.randomWord(),
      peerNonce: nonce,
      backup,
      addressId,
    };
  }

  /** What our SYN/ACK says of a join to `address`: the id of that, whether it is a backup, and the HMAC, whole. */
  joinAnswer(
    join: ProposedJoin,
    address: string,
  ): { localId: number; backup: boolean; mac: Uint8Array } {
    const { keys } = this.#meta;
    return {
      localId: Math.max(0, this.side.localId(address)),
      backup: this.side.joinsAsBackup(address),
      mac: joinHmac(keys.own, keys.peer, join.nonce, join.peerNonce),
    };
  }

  /** The third ACK in `rx` answers a SYN/ACK that kept no subflow: there is one now, to be judged. The reason to refuse it otherwise. */
  joinReturned(
    join: ProposedJoin,
    plan: FlowPlan,
    iss: number,
    offer: SynOffer,
    now: Micros,
  ): Subflow | number {
    const reason = this.refuseJoin(join.addressId, plan.remote, plan.local);
    if (reason !== null) return reason;
    const subflow = this.join(join, plan, iss);
    subflow?.resume(offer, now);
    return subflow ?? RST_RESOURCE;
  }

  /**
   * The HMAC of a join is good: whether there is still a place for it. Half-open ones have none, as anybody may begin them who has seen the token: more of
   * them than fit may be proved.
   */
  mayJoin(): boolean {
    return this.side.refuseMore() === null;
  }

  /** The subflow of a join of the peer's, closed; null when its flow is taken. */
  private join(join: ProposedJoin, plan: FlowPlan, iss?: number): Subflow | null {
    const meta = this.#meta;
    const { side } = this;
    const { nonce, peerNonce, addressId } = join;
    const path = side.reserve();
    const { host } = meta;
    const { localId, backup, mac } = this.joinAnswer(join, plan.local.address);
    const subflow = new Subflow(host, meta, {
      path,
      local: plan.local,
      remote: plan.remote,
      family: plan.family,
      key: plan.key,
      outlet: plan.outlet,
      ...host.flowNumbers(plan.key),
      ...(iss !== undefined && { iss }),
      localId,
      remoteId: addressId,
      option: {
        kind: "join",
        backup,
        addressId: localId,
        token: meta.keys.peerToken,
        nonce,
        peerNonce,
        mac,
      },
      ...(join.backup && { backup: "peer" as const }),
    });
    if (backup) subflow.setBackup("us", true);
    if (!host.register(subflow, meta)) {
      side.abandon(path);
      return null;
    }
    meta.begin(subflow);
    return subflow;
  }

  open(path: PathIndex, spec: PathSpec, backup: boolean): boolean {
    const meta = this.#meta;
    const { host } = meta;
    if (meta.over || meta.fallback || !meta.established) return false;
    const remote = spec.remote.port === 0
      ? { ...spec.remote, port: meta.remoteEndpoint.port }
      : spec.remote;
    const dscp = spec.dscp ?? meta.tcp.dscp;
    const plan = host.planFlow({ local: spec.local, remote }, dscp, this.wishedPort(spec, remote));
    if (plan === null) return false;
    const subflow = new Subflow(host, meta, {
      path,
      local: plan.local,
      remote: plan.remote,
      family: plan.family,
      key: plan.key,
      outlet: plan.outlet,
      ...host.flowNumbers(plan.key),
      localId: spec.local.id,
      remoteId: spec.remote.id,
      option: {
        kind: "join",
        backup,
        addressId: spec.local.id,
        token: meta.keys.peerToken,
        nonce: host.randomWord(),
        peerNonce: 0,
        mac: null,
      },
      ...(backup && { backup: "us" as const }),
    });
    if (!host.register(subflow, meta)) {
      host.count("MPJoinSynTxCreatSkErr");
      subflow.release();
      return false;
    }
    meta.begin(subflow);
    subflow.open(this.now);
    meta.dirty();
    return true;
  }

  /**
   * The local port that a join should have (RFC 8684 §3.9.1: "The local port for such SYNs SHOULD also be the same as the port for the first subflow"). Only
   * once for each pair: an end of the one before may still be remembered on the way, or at the peer, and its numbers with it.
   */
  private wishedPort({ local }: PathSpec, remote: Endpoint): number {
    const { localEndpoint, remoteEndpoint } = this.#meta;
    const { address } = local;
    if (isPair(localEndpoint.address, remoteEndpoint, address, remote)) return 0;
    for (let pair = this.#pairs; pair !== null; pair = pair.before) {
      if (isPair(pair.local, pair.remote, address, remote)) return 0;
    }
    this.#pairs = { local: address, remote, before: this.#pairs };
    return localEndpoint.port;
  }

  close(path: PathIndex): void {
    const subflow = this.#meta.attempts.find((each) => each.path === path && each.ended === null);
    if (subflow === undefined) return;
    // What the path manager leaves out while nothing comes through has been too slow for it.
    this.drop(subflow, subflow.stale ? RST_PERFORMANCE : RST_UNSPECIFIED);
  }

  /** We use a subflow no longer; `reason`: for its RST, where that is how it ends. */
  private drop(subflow: Subflow, reason = RST_UNSPECIFIED): void {
    if (this.leave(subflow, reason)) this.#meta.host.count("RmSubflow");
  }

  /** A subflow is used no longer: what it carries is offered to the others at once. False: it had ended, or had been left before. */
  private leave(subflow: Subflow, reason = RST_UNSPECIFIED): boolean {
    const meta = this.#meta;
    // Its FIN would say that the data end here: on plain TCP, and on the only subflow there ever was to a peer that our options reach no longer.
    const { trust, sender } = subflow;
    const only = !meta.joinedOnce && !subflow.join && sender.bytesSent > 0;
    if (meta.fallback || (only && trust.out === "unproved")) {
      if (subflow.ended !== null) return false;
      meta.reset(subflow, RST_UNSPECIFIED, this.now);
      return true;
    }
    if (!subflow.leave(this.now, !only, reason)) return false;
    if (only) this.rarities().draining = subflow;
    meta.reinject(subflow);
    if (subflow.ended !== null) meta.subflowEnded();
    return true;
  }

  setBackup(path: PathIndex, backup: boolean): void {
    const meta = this.#meta;
    const subflow = meta.subflows.find((each) => each.path === path && each.ended === null);
    if (subflow === undefined) return;
    subflow.setBackup("us", backup);
    subflow.owePrio();
    meta.priorityChanged(subflow);
  }

  holdPort(address: HostAddress): void {
    this.#meta.host.holdPort(this.#meta, address);
  }

  releasePort(id: number): void {
    this.#meta.host.releasePort(this.#meta, id);
  }

  sendAddAddr(address: HostAddress, echo: boolean): boolean {
    const meta = this.#meta;
    // No MPTCP option follows a fallback (RFC 8684 §3.7).
    if (meta.fallback) return false;
    const parsed = parseAddress(address.address);
    const carrier = this.carrier((subflow) => subflow.local.address !== address.address);
    if (parsed === null) return false;
    if (carrier === null) return this.unsent(echo);
    const mac = echo
      ? new Uint8Array()
      : addAddrHmac(meta.keys.own, meta.keys.peer, address.id, parsed.bytes, address.port);
    const draft = tx.begin().addAddr(address.id, parsed.bytes, address.port, mac);
    if (!carrier.say(draft, this.now)) return this.unsent(echo);
    if (this.#rare !== null) this.#rare.full = false;
    meta.host.count(echo ? "EchoAddTx" : "AddAddrTx");
    return true;
  }

  sendRemoveAddr(ids: readonly number[]): boolean {
    if (this.#meta.fallback) return false;
    const carrier = this.carrier((subflow) => !ids.includes(subflow.localId));
    if (carrier === null || !carrier.say(tx.begin().removeAddr(ids), this.now, true)) {
      const rare = this.rarities();
      if (!rare.removalWaits) this.#meta.host.count("RmAddrTxDrop");
      rare.removalWaits = true;
      return false;
    }
    if (this.#rare !== null) this.#rare.removalWaits = false;
    this.#meta.host.count("RmAddrTx", ids.length);
    const rare = this.rarities();
    const { lastHeard, rtt, unanswered } = carrier.sender;
    const kept = (rare.removals ?? []).filter((each) => !heardSince(each));
    const lost = unanswered || ids.includes(carrier.localId);
    const answeredAt = Math.max(lastHeard + 1, this.now + (rtt.known ? rtt.minRtt : 1));
    rare.removals = [...kept, { ids, carrier, answeredAt, lost }].slice(-MOST_REMOVALS);
    return true;
  }

  /** Nothing can carry an ADD_ADDR now: it waits, which counts once. */
  private unsent(echo: boolean): false {
    const rare = this.rarities();
    if (!rare.full) this.#meta.host.count(echo ? "EchoAddTxDrop" : "AddAddrTxDrop");
    rare.full = true;
    return false;
  }

  dirty(): void {
    this.#meta.dirty();
  }

  at(time: Micros, callback: () => void): () => void {
    return this.#meta.host.at(time, callback);
  }

  onStray(address: string, callback: () => void): () => void {
    return this.#meta.host.onStray(address, callback);
  }

  report(error: unknown): void {
    this.#meta.host.report(this.#plugin.name, error);
  }

  /** A subflow for an option of its own, one that `prefer` names where there is one, and of these one that answers; null when no ACK may leave now. */
  private carrier(prefer: (subflow: Subflow) => boolean): Subflow | null {
    const able = this.#meta.subflows.filter((subflow) =>
      subflow.established && !subflow.outlet.blocked && subflow.maySay(this.now)
    );
    const working = able.filter(({ stale, usable }) => !stale && usable);
    const choice = working.length > 0 ? working : able;
    const preferred = choice.filter(prefer);
    return preferred.find(({ silent }) => !silent) ?? preferred[0] ?? choice[0] ?? null;
  }
}
