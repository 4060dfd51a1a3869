/** What can be chosen of MPTCP, for a host and for a connection: plain values, checked where the user gives them (net/mptcp_options.ts). */

import { DEFAULT_LIMITS } from "../path/limits.ts";
import type { Micros } from "../plugin.ts";

/** The choices that hold for one connection. */
export interface MptcpSettings {
  /** It is offered and accepted at all. */
  readonly enabled: boolean;
  /** DSS checksums are asked for: the A flag of MP_CAPABLE (RFC 8684 §3.1). */
  readonly checksum: boolean;
  /** How long a connection without subflows, or one that only the peer can end, is kept (RFC 8684 appendix D: break-before-make); null: as long as is usual. */
  readonly closeTimeout: Micros | null;
  /** How often a SYN, or SYN/ACK, goes again with MP_CAPABLE before one goes without (RFC 8684 §3.1 leaves it to local policy). */
  readonly synRetriesBeforeFallback: number;
  /** How long a destination that answers only SYNs without MP_CAPABLE is remembered, the first time; 0: not at all. */
  readonly blackholeTimeout: Micros;
  /** Most joins of the peer between SYN and third ACK of which a connection keeps state. */
  readonly joinBacklog: number;
  /** Longest wait for the echo of an ADD_ADDR before its first repeat; 0: none is repeated (RFC 8684 §3.4.1). */
  readonly addAddrTimeout: Micros;
  /** Most subflows besides the first, and addresses taken from the peer's ADD_ADDR (core/path/limits.ts). */
  readonly subflows: number;
  readonly addAddrAccepted: number;
  /** The peer may join at the address and port of the first subflow; false: the C flag of MP_CAPABLE (RFC 8684 §3.1). */
  readonly allowJoinInitialAddress: boolean;
  /** Ports that the peer may join at: any, or that of the first subflow and those announced with addresses. */
  readonly joinPorts: "any" | "announced";
  /** Timeouts that a subflow leaves unanswered, while another one works, before it is stale; 0: it never is. */
  readonly staleLossCount: number;
  /** How a connection is ended at once: MP_FASTCLOSE on RSTs, or on an ACK that is repeated until a RST answers (RFC 8684 §3.5). */
  readonly fastclose: "rst" | "ack";
  /** When subflows are closed: when our DATA_FIN is acknowledged (draft TRM-5), or as soon as it is sent (TRM-4). */
  readonly dataFin: "safe" | "fast";
  /** Octets of our data sequence numbers: four where they are enough, or eight always (dsn_octets.ts). */
  readonly dsn: "short" | "long";
  /** Relief of head-of-line blocking (relief.ts); null: as the scheduler has it. */
  readonly opportunisticRetransmission: boolean | null;
  readonly penalty: boolean | null;
  readonly tailReinjection: boolean | null;
}

/** What holds where nothing else is chosen; as in Linux, but for `synRetriesBeforeFallback`, which is 2 there: connect() would take 7 s. */
export const DEFAULT_MPTCP: MptcpSettings = Object.freeze({
  enabled: true,
  checksum: false,
  closeTimeout: null,
  synRetriesBeforeFallback: 1,
  blackholeTimeout: 3600e6,
  joinBacklog: 4,
  addAddrTimeout: 120e6,
  subflows: DEFAULT_LIMITS.subflows,
  addAddrAccepted: DEFAULT_LIMITS.addAddrAccepted,
  allowJoinInitialAddress: true,
  joinPorts: "any",
  staleLossCount: 4,
  fastclose: "rst",
  dataFin: "safe",
  dsn: "short",
  opportunisticRetransmission: null,
  penalty: null,
  tailReinjection: null,
});
