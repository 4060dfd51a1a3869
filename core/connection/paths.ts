/** The connection's side of the draft's line (§2.1): opens, closes and announces what the path side asks for. */

import type {
  HostAddress,
  Micros,
  PathContext,
  PathIndex,
  PathManagerPlugin,
  PathSpec,
  PathView,
  SubflowChange,
} from "../plugin.ts";
import { ConnectionPaths, type PathTransport } from "../path/context.ts";
import { reset } from "../subflow/close.ts";
import { accept, open } from "../subflow/handshake.ts";
import { sendAck } from "../subflow/send.ts";
import { ESTABLISHED, Subflow } from "../subflow/subflow.ts";
import { parseAddress } from "../wire/ip.ts";
import {
  clearOptions,
  type MpJoin,
  RST_UNSPECIFIED,
  writeAddAddr,
  writeMpPrio,
  writeRemoveAddr,
} from "../wire/mptcp.ts";
import type { FlowPlan } from "./host.ts";
import { reinjectFrom } from "./reinject.ts";
import { addAddrHmac } from "./keys.ts";
import type { MetaSocket } from "./meta_socket.ts";

/** Implements the path side's transport for one connection, and hands it what arrives. */
export class PathTransportOf implements PathTransport {
  readonly #meta: MetaSocket;
  readonly #plugin: PathManagerPlugin;
  #side: ConnectionPaths | null = null;

  /** @param meta The connection. @param plugin Its path manager. */
  constructor(meta: MetaSocket, plugin: PathManagerPlugin) {
    this.#meta = meta;
    this.#plugin = plugin;
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
    return this.#meta.peerDeniesJoinToInitial;
  }

  /** The path side, made when it is first needed: a connection that stays plain TCP has none. */
  get side(): ConnectionPaths {
    return this.#side ??= this.#make();
  }

  /** What a path manager and the application see. */
  get context(): PathContext {
    return this.side.context;
  }

  #make(): ConnectionPaths {
    const { host, localEndpoint, remoteEndpoint } = this.#meta;
    const own = host.addresses.find(({ address }) => address === localEndpoint.address);
    const family = localEndpoint.address.includes(":") ? 6 : 4;
    const first: PathSpec = {
      local: { ...localEndpoint, id: 0, family, link: own?.link ?? "" },
      remote: { ...remoteEndpoint, id: 0, family, link: "" },
    };
    const locals = host.addresses.filter(({ address }) => address !== localEndpoint.address);
    return new ConnectionPaths(this, this.#plugin, { first, locals });
  }

  /** Joins are possible now. */
  start(): void {
    this.side.start();
  }

  /** The connection has ended. */
  stop(): void {
    this.#side?.stop();
  }

  /** The host has one more address. */
  localAdded(address: HostAddress): void {
    this.#side?.localAdded(address);
  }

  /** The host has lost one: its subflows can send nothing any more. */
  localRemoved(address: string, now: Micros): void {
    this.#side?.localRemoved(address);
    for (const subflow of [...this.#meta.attempts]) {
      if (subflow.local.address !== address) continue;
      this.#meta.host.count("RmSubflow");
      reset(subflow, RST_UNSPECIFIED, now);
    }
  }

  /** The peer announced an address; its HMAC is good. */
  announced(id: number, address: string, port: number): void {
    this.#meta.addAddrAccepted++;
    this.side.remoteAnnounced(id, { address, port });
  }

  /** The peer confirmed an announcement. */
  echoed(id: number): void {
    this.side.echoReceived(id);
  }

  /** The peer took addresses back: subflows to them end, as in Linux (RFC 8684 §3.4.2). */
  remoteRemoved(ids: readonly number[]): void {
    this.side.remoteRemoved(ids);
    for (const subflow of [...this.#meta.attempts]) {
      if (ids.includes(subflow.remoteId)) reset(subflow, RST_UNSPECIFIED, this.now);
    }
  }

  /** A subflow changed. */
  subflowChanged(subflow: Subflow, change: SubflowChange, reason?: string): void {
    if (this.#side === null) return;
    const { side } = this;
    if (
      change === "joined" && subflow.join && this.role === "server" &&
      side.spec(subflow.path) === undefined
    ) {
      side.joinSeen(subflow.path, subflow.remoteId, subflow.remote, subflow.local);
    }
    side.subflowChanged(subflow.path, change, reason);
  }

  /** A SYN with MP_JOIN is in RX_*: the reason to refuse it, or null when a subflow now answers it. */
  joinArrived(option: MpJoin, plan: FlowPlan, now: Micros): number | null {
    const meta = this.#meta;
    const { side } = this;
    const reason = side.refuseJoin(option.addressId, plan.remote, plan.local);
    if (reason !== null) return reason;
    const path = side.reserve();
    const { host } = meta;
    const subflow = new Subflow(meta, {
      path,
      local: plan.local,
      remote: plan.remote,
      family: plan.family,
      key: plan.key,
      outlet: plan.outlet,
      iss: host.randomWord(),
      timestampOffset: host.randomWord(),
      localId: Math.max(0, side.localId(plan.local.address)),
      remoteId: option.addressId,
      join: true,
    }, now);
    subflow.remoteNonce = option.nonce;
    subflow.localNonce = host.randomWord();
    subflow.backupByPeer = option.backup;
    if (!host.register(subflow)) {
      side.abandon(path);
      return RST_UNSPECIFIED;
    }
    meta.attempts.push(subflow);
    accept(subflow, now);
    return null;
  }

  open(path: PathIndex, spec: PathSpec, backup: boolean): boolean {
    const meta = this.#meta;
    const { host } = meta;
    if (meta.closed || meta.fallback || !meta.established) return false;
    const remote = spec.remote.port === 0
      ? { ...spec.remote, port: meta.remoteEndpoint.port }
      : spec.remote;
    const plan = host.planFlow({ ...spec, local: { ...spec.local, port: 0 }, remote });
    if (plan === null) return false;
    const subflow = new Subflow(meta, {
      path,
      local: plan.local,
      remote: plan.remote,
      family: plan.family,
      key: plan.key,
      outlet: plan.outlet,
      iss: host.randomWord(),
      timestampOffset: host.randomWord(),
      localId: spec.local.id,
      remoteId: spec.remote.id,
      join: true,
    }, this.now);
    subflow.localNonce = host.randomWord();
    subflow.backupByUs = backup;
    if (!host.register(subflow)) {
      subflow.destroy();
      return false;
    }
    meta.attempts.push(subflow);
    open(subflow, this.now);
    return true;
  }

  close(path: PathIndex): void {
    const meta = this.#meta;
    const subflow = meta.attempts.find((each) => each.path === path);
    if (subflow === undefined) return;
    subflow.usable = false;
    reinjectFrom(meta, subflow);
    reset(subflow, RST_UNSPECIFIED, this.now);
  }

  setBackup(path: PathIndex, backup: boolean): void {
    const subflow = this.#meta.subflows.find((each) => each.path === path);
    if (subflow === undefined) return;
    subflow.backupByUs = backup;
    sendPrio(this.#meta, subflow, this.now);
    this.#meta.subflowChanged(subflow, "priority");
    this.#meta.dirty(subflow);
  }

  sendAddAddr(address: HostAddress, echo: boolean): void {
    const meta = this.#meta;
    const parsed = parseAddress(address.address);
    const carrier = this.#carrier((subflow) => subflow.local.address !== address.address);
    if (parsed === null || carrier === null) return;
    const mac = echo
      ? new Uint8Array()
      : addAddrHmac(meta.localKey, meta.remoteKey, address.id, parsed.bytes, address.port);
    clearOptions();
    writeAddAddr(address.id, parsed.bytes, address.port, mac);
    if (!sendAck(carrier, this.now, true)) return;
    meta.host.count(echo ? "EchoAddTx" : "AddAddrTx");
    if (!echo) meta.addAddrSignal++;
  }

  sendRemoveAddr(ids: readonly number[]): void {
    const carrier = this.#carrier((subflow) => !ids.includes(subflow.localId));
    if (carrier === null) return;
    clearOptions();
    writeRemoveAddr(ids);
    if (sendAck(carrier, this.now, true)) this.#meta.host.count("RmAddrTx");
  }

  at(time: Micros, callback: () => void): () => void {
    return this.#meta.host.at(time, callback);
  }

  report(error: unknown): void {
    this.#meta.host.report(this.#plugin.name, error);
  }

  /** A subflow for an option of its own, one that `prefer` names where there is one. */
  #carrier(prefer: (subflow: Subflow) => boolean): Subflow | null {
    const able = this.#meta.subflows.filter(({ state, outlet }) =>
      state === ESTABLISHED && !outlet.blocked
    );
    const working = able.filter(({ stale }) => !stale);
    const choice = working.length > 0 ? working : able;
    return choice.find(prefer) ?? choice[0] ?? null;
  }
}

/** Tells the peer by MP_PRIO whether a subflow is a backup (RFC 8684 §3.3.8); when the link is full, in a later send pass. */
export function sendPrio(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  clearOptions();
  writeMpPrio(subflow.backupByUs);
  subflow.prioOwed = !sendAck(subflow, now, true);
  if (!subflow.prioOwed) meta.host.count("MPPrioTx");
}
