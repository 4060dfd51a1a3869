/** From lines to packets and back: what a scripted peer writes and reads, with the numbers of one MPTCP session. */

import { addAddrHmac, joinHmac, keyMaterial } from "../../core/connection/keys.ts";
import { formatAddress, parseAddress } from "../../core/wire/ip.ts";
import {
  ADD_ADDR,
  clearOptions,
  commitOptions,
  type Key,
  MP_CAPABLE,
  MP_FAIL,
  MP_FASTCLOSE,
  MP_JOIN,
  MP_PRIO,
  MP_TCPRST,
  optionAt,
  readAddAddr,
  readFastclose,
  readFastOpen,
  readMpCapable,
  readMpFail,
  readMpJoin,
  readMpPrio,
  readRemoveAddr,
  readTcpRst,
  REMOVE_ADDR,
  writeAddAddr,
  writeFastclose,
  writeFastOpen,
  writeJoinAck,
  writeJoinSyn,
  writeJoinSynAck,
  writeMpCapable,
  writeMpFail,
  writeMpPrio,
  writeRemoveAddr,
  writeTcpRst,
} from "../../core/wire/mptcp.ts";
import { dsnWords, type InitialDsn, writeDataAck, writeDsn } from "../../core/wire/seq.ts";
import { dss_checksum, i32, sum, u32, u8 } from "../../wasm/mod.ts";
import * as L from "../../wasm/layout.ts";

/** Both ends of an MPTCP connection as the scripted peer knows them; "ours" is the peer's. */
export class Session {
  /** The scripted peer's key. */
  ourKey: Key = { high: 0x11121314, low: 0x15161718 };
  /** The stack's key, once it was told. */
  theirKey: Key = { high: 0, low: 0 };
  /** Next data offset that the peer writes. */
  dataNext = 1;
  /** End of the stack's data that came in order. */
  dataAcked = 1;
  readonly #ahead: (readonly [number, number])[] = [];

  /** Notes that data offsets [from, to) came. */
  take(from: number, to: number): void {
    this.#ahead.push([from, to]);
    for (const [start, end] of this.#ahead.sort((a, b) => a[0] - b[0])) {
      if (start <= this.dataAcked) this.dataAcked = Math.max(this.dataAcked, end);
    }
  }

  get ourToken(): number {
    return keyMaterial(this.ourKey).token;
  }

  get theirToken(): number {
    return keyMaterial(this.theirKey).token;
  }

  get ourIdsn(): InitialDsn {
    return keyMaterial(this.ourKey).idsn;
  }

  get theirIdsn(): InitialDsn {
    return keyMaterial(this.theirKey).idsn;
  }
}

/** What the lines of one flow need besides the session. */
export interface FlowNumbers {
  readonly session: Session;
  /** The peer's initial sequence number. */
  readonly iss: number;
  /** The stack's, once known. */
  irs: number;
  /** Random numbers of a join: the peer's, the stack's. */
  ourNonce: number;
  theirNonce: number;
}

/** The byte at a data offset of one direction: of what the stack writes, or of what the peer writes. */
export function octet(side: "stack" | "peer", offset: number): number {
  return (offset * 7 + (offset >>> 8) * 13 + (offset >>> 16) * 29 + (side === "peer" ? 101 : 0)) &
    255;
}

/** The bytes [from, from + length) of one direction. */
export function stream(side: "stack" | "peer", from: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => octet(side, from + i));
}

function flip(hmac: Uint8Array, bad: boolean): Uint8Array {
  return bad ? hmac.map((byte, i) => i === 0 ? byte ^ 1 : byte) : hmac;
}

/** Where a mapping in a line puts the payload. */
export interface LineMapping {
  readonly dsn: number;
  readonly ssn: number;
  readonly length: number;
}

/** The mapping that a line names; null without one. */
export function mappingOf(
  options: readonly string[],
  session: Session,
  seq: number,
  length: number,
): LineMapping | null {
  for (const option of options) {
    const words = option.split(" ");
    if (words[0] === "mpc" && words.includes("len")) return { dsn: 1, ssn: 1, length };
    if (words[0] !== "map" && words[0] !== "map8") continue;
    const numbers = words.slice(1).map(Number).filter((each) => !Number.isNaN(each));
    if (numbers.length < 3) return { dsn: session.dataNext, ssn: seq, length };
    return { dsn: numbers[0]!, ssn: numbers[1]!, length: numbers[2]! };
  }
  return null;
}

/** Writes the options of a line to TX_*; `payload` is the address of what the segment carries. */
export function writeOptions(
  options: readonly string[],
  flow: FlowNumbers,
  seq: number,
  payload: number,
  length: number,
  scale: number,
): void {
  let present = 0;
  let dss = 0;
  clearOptions();
  u32[L.TX_DSS_CHECKSUM] = -1;
  u32[L.TX_WINDOW_SCALE] = scale;
  for (const option of options) {
    const words = option.split(" ");
    const [name, first = "", second = ""] = words;
    if (name === "mss") {
      present |= L.OPTION_MSS;
      u32[L.TX_MSS] = +first;
    } else if (name === "sackOK") present |= L.OPTION_SACK_PERMITTED;
    else if (name === "ws") {
      present |= L.OPTION_WINDOW_SCALE;
      u32[L.TX_WINDOW_SCALE] = +first;
    } else if (name === "tfo") {
      present |= L.OPTION_MPTCP;
      writeFastOpen(Uint8Array.from(first.match(/../g) ?? [], (each) => parseInt(each, 16)));
    } else if (name === "TS") {
      present |= L.OPTION_TIMESTAMPS;
      u32[L.TX_TSVAL] = +first;
      u32[L.TX_TSECR] = +second;
    } else if (name === "sack") {
      present |= L.OPTION_SACK;
      words.slice(1).forEach((block, i) => {
        const [left = "", right = ""] = block.split(":");
        u32[L.TX_SACK + 2 * i] = flow.irs + +left;
        u32[L.TX_SACK + 2 * i + 1] = flow.irs + +right;
      });
      u32[L.TX_SACK_COUNT] = words.length - 1;
    } else if (name === "dack" || name === "dack8") {
      dss |= L.DSS_DATA_ACK | (name === "dack8" ? L.DSS_DATA_ACK_8 : 0);
      writeDataAck(+first, flow.session.theirIdsn);
    } else if (name === "map" || name === "map8") {
      dss |= L.DSS_MAPPING | (name === "map8" ? L.DSS_DSN_8 : 0);
      if (words.includes("fin")) dss |= L.DSS_DATA_FIN;
      writeMapping(words, mappingOf([option], flow.session, seq, length)!, flow, payload, length);
    } else {
      present |= L.OPTION_MPTCP;
      writeMptcp(words, flow, payload, length);
    }
  }
  u32[L.TX_DSS_FLAGS] = dss;
  u32[L.TX_OPTIONS] = present | (dss === 0 ? 0 : L.OPTION_DSS);
}

function writeMapping(
  words: readonly string[],
  { dsn, ssn, length }: LineMapping,
  { session }: FlowNumbers,
  payload: number,
  carried: number,
): void {
  writeDsn(dsn, session.ourIdsn);
  u32[L.TX_SSN] = ssn;
  u32[L.TX_DATA_LENGTH] = length;
  if (words.includes("zero")) u32[L.TX_DSS_CHECKSUM] = 0;
  if (!words.includes("csum") && !words.includes("bad")) return;
  const { high, low } = dsnWords(dsn, session.ourIdsn);
  const good = dss_checksum(high, low, ssn, length, carried === 0 ? 0 : sum(payload, carried));
  u32[L.TX_DSS_CHECKSUM] = words.includes("bad") ? good ^ 0x0101 : good;
}

function writeMptcp(
  words: readonly string[],
  flow: FlowNumbers,
  payload: number,
  length: number,
): void {
  const { session } = flow;
  const [name, first = "", second = ""] = words;
  const bad = words.includes("bad");
  const portAt = words.indexOf("port");
  const port = portAt < 0 ? 0 : Number(words[portAt + 1]);
  if (name === "mpc") {
    const flags = 1 | (words.includes("A") ? 0x80 : 0) | (words.includes("C") ? 0x20 : 0);
    const lengthAt = words.indexOf("len");
    const keys = first === "keys";
    let checksum: number | undefined;
    if (words.includes("csum")) {
      const { high, low } = dsnWords(1, session.ourIdsn);
      checksum = dss_checksum(high, low, 1, Number(words[lengthAt + 1]), sum(payload, length));
    }
    writeMpCapable(
      words.includes("nohmac") ? flags & ~1 : flags,
      first.startsWith("key") ? session.ourKey : undefined,
      keys ? (bad ? { high: 1, low: 2 } : session.theirKey) : undefined,
      lengthAt < 0 ? undefined : Number(words[lengthAt + 1]),
      checksum,
    );
    if (words.includes("v0")) u8[u32[L.TX_RAW]! + 2]! &= 0xf0;
  } else if (name === "join") writeJoin(words, flow);
  else if (name === "add" || name === "echo") {
    const { bytes } = parseAddress(second)!;
    const mac = name === "echo"
      ? new Uint8Array()
      : addAddrHmac(session.ourKey, session.theirKey, +first, bytes, port);
    writeAddAddr(+first, bytes, port, flip(mac, bad));
  } else if (name === "rm") writeRemoveAddr(words.slice(1).map(Number));
  else if (name === "prio") writeMpPrio(first === "backup");
  else if (name === "fail") writeMpFail(dsnWords(+first, session.theirIdsn));
  else if (name === "fastclose") writeFastclose(bad ? { high: 1, low: 2 } : session.theirKey);
  else if (name === "tcprst") writeTcpRst(+first, second === "transient");
  else if (name === "raw") writeRaw(words.slice(1));
  else throw new SyntaxError(`Cannot write the option "${words.join(" ")}"`);
}

/** Octets in hexadecimal, whatever they mean. */
function writeRaw(octets: readonly string[]): void {
  octets.forEach((each, i) => u8[u32[L.TX_RAW]! + i] = parseInt(each, 16));
  commitOptions();
  u32[L.TX_RAW_LENGTH] = octets.length;
}

function writeJoin(words: readonly string[], flow: FlowNumbers): void {
  const { session, ourNonce, theirNonce } = flow;
  const bad = words.includes("bad");
  const backup = words.includes("backup");
  const idAt = words.indexOf("id");
  const id = idAt < 0 ? 0 : Number(words[idAt + 1]);
  const mac = joinHmac(session.ourKey, session.theirKey, ourNonce, theirNonce);
  if (words[1] === "syn") writeJoinSyn(backup, id, session.theirToken ^ (bad ? 1 : 0), ourNonce);
  else if (words[1] === "synack") {
    writeJoinSynAck(backup, id, flip(mac.slice(0, 8), bad), ourNonce);
  } else writeJoinAck(flip(mac.slice(0, 20), bad));
}

/** The options in RX_*, in the words of a line. Learns keys and random numbers of the stack from them. */
export function readOptions(flow: FlowNumbers): string[] {
  const found = u32[L.RX_OPTIONS]!;
  const { session } = flow;
  const words: string[] = [];
  if (found & L.OPTION_MSS) words.push(`mss ${u32[L.RX_MSS]}`);
  if (found & L.OPTION_SACK_PERMITTED) words.push("sackOK");
  if (found & L.OPTION_TIMESTAMPS) words.push(`TS ${u32[L.RX_TSVAL]} ${u32[L.RX_TSECR]}`);
  if (found & L.OPTION_FAST_OPEN) {
    const octets = [...readFastOpen(u32[L.RX_FAST_OPEN]!)];
    words.push(
      ["tfo", octets.map((each) => each.toString(16).padStart(2, "0")).join("")].join(" "),
    );
  }
  if (found & L.OPTION_WINDOW_SCALE) words.push(`ws ${u32[L.RX_WINDOW_SCALE]}`);
  if (found & L.OPTION_SACK) {
    const blocks = Array.from({ length: u32[L.RX_SACK_COUNT]! }, (_, i) => {
      const left = (u32[L.RX_SACK + 2 * i]! - flow.iss) >>> 0;
      return `${left}:${(u32[L.RX_SACK + 2 * i + 1]! - flow.iss) >>> 0}`;
    });
    words.push(`sack ${blocks.join(" ")}`);
  }
  words.push(...readRare(flow));
  const dss = (found & L.OPTION_DSS) === 0 ? 0 : u32[L.RX_DSS_FLAGS]!;
  if (dss & L.DSS_DATA_ACK) {
    const eight = (dss & L.DSS_DATA_ACK_8) !== 0;
    const offset = relative(L.RX_DATA_ACK_HIGH, eight, session.ourIdsn);
    words.push(`${eight ? "dack8" : "dack"} ${offset}`);
  }
  if (dss & L.DSS_MAPPING) {
    const eight = (dss & L.DSS_DSN_8) !== 0;
    const dsn = relative(L.RX_DSN_HIGH, eight, session.theirIdsn);
    const map = `${eight ? "map8" : "map"} ${dsn} ${u32[L.RX_SSN]} ${u32[L.RX_DATA_LENGTH]}`;
    const fin = dss & L.DSS_DATA_FIN ? " fin" : "";
    const field = i32[L.RX_DSS_CHECKSUM]!;
    words.push(`${map}${fin}${field < 0 ? "" : field === 0 ? " zero" : " csum"}`);
  }
  return words;
}

/** A data sequence number in two words at `index` as an offset. */
function relative(index: number, eight: boolean, initial: InitialDsn): number {
  const low = u32[index + 1]!;
  if (!eight) return (low - initial.low) >>> 0;
  const wire = (BigInt(u32[index]!) << 32n) | BigInt(low);
  const first = (BigInt(initial.high) << 32n) | BigInt(initial.low);
  return Number(BigInt.asIntN(64, wire - first));
}

/** The flags of an MP_CAPABLE that are not there always. */
function flagsOf(flags: number): string {
  return (flags & 0x80 ? " A" : "") + (flags & 0x20 ? " C" : "");
}

function readRare(flow: FlowNumbers): string[] {
  const { session } = flow;
  const words: string[] = [];
  let at = optionAt(MP_CAPABLE);
  if (at !== 0) {
    const option = readMpCapable(at);
    if (option.senderKey !== undefined) session.theirKey = option.senderKey;
    const keys = option.receiverKey !== undefined ? " keys" : option.senderKey ? " key" : "";
    const data = option.dataLength === undefined ? "" : ` len ${option.dataLength}`;
    const checksum = option.checksum === undefined ? "" : " csum";
    words.push(`mpc${keys}${data}${checksum}${flagsOf(option.flags)}`);
  }
  at = optionAt(MP_JOIN);
  if (at !== 0) words.push(readJoin(flow, at));
  at = optionAt(ADD_ADDR);
  if (at !== 0) {
    const option = readAddAddr(at);
    const port = option.port === 0 ? "" : ` port ${option.port}`;
    const name = option.echo ? "echo" : "add";
    const { theirKey, ourKey } = session;
    const mac = addAddrHmac(theirKey, ourKey, option.addressId, option.address, option.port);
    const good = option.echo || `${mac}` === `${option.hmac}`;
    words.push(
      `${name} ${option.addressId} ${formatAddress(option.address)}${port}${good ? "" : " bad"}`,
    );
  }
  at = optionAt(REMOVE_ADDR);
  if (at !== 0) words.push(`rm ${readRemoveAddr(at).join(" ")}`);
  at = optionAt(MP_PRIO);
  if (at !== 0) words.push(readMpPrio(at) ? "prio backup" : "prio");
  at = optionAt(MP_FAIL);
  if (at !== 0) words.push(`fail ${(readMpFail(at).low - session.ourIdsn.low) >>> 0}`);
  at = optionAt(MP_FASTCLOSE);
  if (at !== 0) {
    const { high, low } = readFastclose(at);
    const { ourKey } = session;
    words.push(high === ourKey.high && low === ourKey.low ? "fastclose" : "fastclose bad");
  }
  at = optionAt(MP_TCPRST);
  if (at !== 0) words.push(`tcprst ${readTcpRst(at)}${u8[at + 2]! & 1 ? " transient" : ""}`);
  return words;
}

function readJoin(flow: FlowNumbers, at: number): string {
  const { session } = flow;
  const option = readMpJoin(at);
  const backup = option.backup ? " backup" : "";
  if (option.length === 12) {
    flow.theirNonce = option.nonce;
    const bad = option.token === session.ourToken ? "" : " bad";
    return `join syn id ${option.addressId}${backup}${bad}`;
  }
  if (option.length === 16) flow.theirNonce = option.nonce;
  const mac = joinHmac(session.theirKey, session.ourKey, flow.theirNonce, flow.ourNonce);
  const good = `${mac.subarray(0, option.hmac.length)}` === `${option.hmac}`;
  const kind = option.length === 16 ? `synack id ${option.addressId}` : "ack";
  return `join ${kind}${backup}${good ? "" : " bad"}`;
}
