/** Choices about MPTCP itself, as users give them. */

import { DEFAULT_MPTCP, type MptcpSettings } from "../connection/settings.ts";
import type { Duration } from "../link/units.ts";
import type { Micros } from "../plugin.ts";
import { OptionChecks } from "./option_checks.ts";
import { checkOptions, describe } from "./policies.ts";

/** Choices about MPTCP (RFC 8684), for all connections of a host or for one. */
export interface MptcpOptions {
  /**
   * Asks for DSS checksums: data that a middlebox has changed are found out (RFC 8684 §3.3.1). They are used where either side asks for them. As Linux's
   * `net.mptcp.checksum_enabled`.
   *
   * @default {false}
   */
  readonly checksum?: boolean;
  /**
   * How long a connection is kept whose last path is gone, for one to be opened in its place, and how long after close() the peer's end is waited for
   * where only the peer can end it, from 0 to 32767 s. As Linux's `net.mptcp.close_timeout`.
   *
   * @default {60 s; where the network took the last path away, the user timeout}
   */
  readonly closeTimeout?: Duration;
  /**
   * How often a SYN that asks for MPTCP is sent again, unanswered, before one goes without asking, from 0 to 127: a box on the way may drop what it does not
   * know (RFC 8684 §3.1). With 1, connect() takes some 3 s behind such a box, with 2 some 7 s. From then on SYNs with and without take turns. The same holds for
   * the answers of listeners. More than `tcp.synRetries`: it is always asked. As Linux's `net.mptcp.syn_retrans_before_tcp_fallback`, which is 2 and where
   * only clients do so, and go on without.
   *
   * @default {1}
   */
  readonly synRetriesBeforeFallback?: number;
  /**
   * How long connections to an address go without MPTCP from the start, after one that only a SYN without it brought about, from 0 to 604800 s; twice as long
   * each time that the same is found again thereafter, up to 64 times. 0: nothing is remembered. A host forgets it where MPTCP has worked. As Linux's
   * `net.mptcp.blackhole_timeout`, which holds for all addresses at once.
   *
   * @default {3600 s}
   */
  readonly blackholeTimeout?: Duration;
  /**
   * Most joins of the peer between SYN and third ACK that a connection keeps, from 0 to 255: whoever has seen its token can begin them. Above it, and where
   * the host has 1024, SYNs are answered by cookies, or refused for want of resources where `synCookies` is "off". Linux counts them as half-open
   * connections, `net.ipv4.tcp_max_syn_backlog`.
   *
   * @default {4}
   */
  readonly joinBacklog?: number;
  /**
   * Longest wait for the echo of an ADD_ADDR before it is sent again, from 0 to 32767 s (RFC 8684 §3.4.1). The wait is the retransmission timeout of the
   * slowest path, a second at least, where that is less; each further one is twice as long, and six are sent in all. 0: none is sent again. As Linux's
   * `net.mptcp.add_addr_timeout`.
   *
   * @default {120 s}
   */
  readonly addAddrTimeout?: Duration;
  /**
   * Most subflows of a connection besides its first, whichever side opens them: 0 to 8. What a path manager wants beyond waits, joins of the peer beyond are
   * refused with MP_TCPRST reason 3 (RFC 8684 §3.6). As `ip mptcp limits set subflows`.
   *
   * @default {8}
   */
  readonly subflows?: number;
  /**
   * Most addresses that a connection takes from the peer's ADD_ADDR: 0 to 8. Others are confirmed and not used (RFC 8684 §3.4.1). As
   * `ip mptcp limits set add_addr_accepted`.
   *
   * @default {8}
   */
  readonly addAddrAccepted?: number;
  /**
   * Whether the peer may open further paths to the address and port that the connection begins with. `false` tells it not to, and refuses them: for a host
   * behind a load balancer or an address translator, where they would come to somebody else. Addresses that are announced can be joined all the same. As
   * Linux's `net.mptcp.allow_join_initial_addr_port`.
   *
   * @default {true}
   */
  readonly allowJoinInitialAddress?: boolean;
  /**
   * At which of our ports the peer may open further paths: at any, as the token says all (RFC 8684 §3.2), or, as Linux has it, at that of the first path and
   * at those that addresses were announced with. A path to another one is refused then (MP_TCPRST, administratively prohibited) and counted as
   * MismatchPortSynRx, or, where the address was taken back meanwhile, as MismatchPortAckRx.
   *
   * @default {"any"}
   */
  readonly joinPorts?: "any" | "announced";
  /**
   * Retransmission timeouts in a row, without their back-off and of 50 ms at least, that a path leaves unanswered while another one works before it is given
   * up: it gets no new data until it answers, which it is asked for each second, and backup paths take its place. From 0 to 255; 0: it goes on for as long as
   * TCP itself. As Linux's `net.mptcp.stale_loss_cnt`.
   *
   * @default {4}
   */
  readonly staleLossCount?: number;
  /**
   * How abort() ends a connection, and close() one whose data nobody has read: MP_FASTCLOSE on RSTs on all paths, as Linux does, or on an ACK on one path,
   * which is repeated up to three times until a RST answers it, and RSTs on the others (RFC 8684 §3.5, options R and A). The ACK is surer to come to a peer
   * behind boxes that drop options on RSTs, and keeps the connection for as long. Both are understood of a peer.
   *
   * @default {"rst"}
   */
  readonly fastclose?: "rst" | "ack";
  /**
   * When the paths are closed after close(): "safe", when the peer has acknowledged the end of the data; "fast", as soon as that is sent, which saves
   * a round trip. With "fast" what is lost on a path that fails then cannot go again on another, and the connection may end with an error: it is there to be
   * compared (the draft's §3.7, TRM-4 and TRM-5), and RFC 8684 §3.3.3 forbids it.
   *
   * @default {"safe"}
   */
  readonly dataFin?: "safe" | "fast";
  /**
   * Octets of data sequence numbers in the segments of this side: "short", four, which leaves each full segment four to eight bytes more for data, and eight
   * from the first 16 MB on that leave at more than 143 Mbit/s, or where data go again of which more than a gigabyte has been sent since (RFC 8684 §3.3.1);
   * "long", eight always, as Linux sends them. Both are understood of a peer, and the DATA_ACKs to it are as long as its own numbers.
   *
   * @default {"short"}
   */
  readonly dsn?: "short" | "long";
  /**
   * Whether the oldest bytes, where they keep the peer's window shut for all, go again on a path with room over which they come sooner (NSDI 2012,
   * mechanism 1). With `tailReinjection` no more than a sixteenth of what the connection has sent goes again, and four segments.
   *
   * @default {what the scheduler asks for: true with the default one}
   */
  readonly opportunisticRetransmission?: boolean;
  /**
   * Whether a path that keeps the peer's window shut for faster ones has its congestion window halved, once in a round trip of theirs (NSDI 2012, mechanism 2).
   *
   * @default {what the scheduler asks for: true with the default one}
   */
  readonly penalty?: boolean;
  /**
   * Whether, when nothing is left to send, a path with room repeats what a slower one would bring later. With `opportunisticRetransmission` no more than a
   * sixteenth of what the connection has sent goes again, and four segments.
   *
   * @default {what the scheduler asks for: true with the default one}
   */
  readonly tailReinjection?: boolean;
}

const OPTIONS: Readonly<Record<keyof MptcpOptions, true>> = {
  checksum: true,
  closeTimeout: true,
  synRetriesBeforeFallback: true,
  blackholeTimeout: true,
  joinBacklog: true,
  addAddrTimeout: true,
  subflows: true,
  addAddrAccepted: true,
  allowJoinInitialAddress: true,
  joinPorts: true,
  staleLossCount: true,
  fastclose: true,
  dataFin: true,
  dsn: true,
  opportunisticRetransmission: true,
  penalty: true,
  tailReinjection: true,
};

/** Of subflows and addresses, as the kernel has it. */
const MOST_PATHS = 8;
const MOST_TIMEOUT: Micros = 32767e6;
const MOST_BLACKHOLE: Micros = 604800e6;

/**
 * The settings that `options` ask for, `base` where they say nothing; `false` is plain TCP.
 *
 * @throws {TypeError} an option is not of its kind, or there is none of its name.
 * @throws {RangeError} a value is out of its range.
 */
export function mptcpSettings(
  verb: string,
  options: MptcpOptions | boolean | undefined,
  base: MptcpSettings = DEFAULT_MPTCP,
): MptcpSettings {
  if (options === undefined) return base;
  if (typeof options === "boolean") return { ...base, enabled: options };
  if (typeof options !== "object" || options === null) {
    throw new TypeError(
      `Cannot ${verb} as 'mptcp' must be true, false or an object of options: current value is ${
        describe(options)
      }`,
    );
  }
  checkOptions(`${verb} with 'mptcp'`, options, OPTIONS);
  const is = new OptionChecks(verb, "mptcp");
  return {
    ...base,
    enabled: true,
    checksum: is.flag("checksum", options.checksum) ?? base.checksum,
    closeTimeout: is.time("closeTimeout", options.closeTimeout, 0, MOST_TIMEOUT) ??
      base.closeTimeout,
    synRetriesBeforeFallback:
      is.integer("synRetriesBeforeFallback", options.synRetriesBeforeFallback, 0, 127) ??
        base.synRetriesBeforeFallback,
    blackholeTimeout: is.time("blackholeTimeout", options.blackholeTimeout, 0, MOST_BLACKHOLE) ??
      base.blackholeTimeout,
    joinBacklog: is.integer("joinBacklog", options.joinBacklog, 0, 255) ?? base.joinBacklog,
    addAddrTimeout: is.time("addAddrTimeout", options.addAddrTimeout, 0, MOST_TIMEOUT) ??
      base.addAddrTimeout,
    subflows: is.integer("subflows", options.subflows, 0, MOST_PATHS) ?? base.subflows,
    addAddrAccepted: is.integer("addAddrAccepted", options.addAddrAccepted, 0, MOST_PATHS) ??
      base.addAddrAccepted,
    allowJoinInitialAddress: is.flag("allowJoinInitialAddress", options.allowJoinInitialAddress) ??
      base.allowJoinInitialAddress,
    joinPorts: is.choice("joinPorts", options.joinPorts, ["any", "announced"]) ?? base.joinPorts,
    staleLossCount: is.integer("staleLossCount", options.staleLossCount, 0, 255) ??
      base.staleLossCount,
    fastclose: is.choice("fastclose", options.fastclose, ["rst", "ack"]) ?? base.fastclose,
    dataFin: is.choice("dataFin", options.dataFin, ["safe", "fast"]) ?? base.dataFin,
    dsn: is.choice("dsn", options.dsn, ["short", "long"]) ?? base.dsn,
    opportunisticRetransmission:
      is.flag("opportunisticRetransmission", options.opportunisticRetransmission) ??
        base.opportunisticRetransmission,
    penalty: is.flag("penalty", options.penalty) ?? base.penalty,
    tailReinjection: is.flag("tailReinjection", options.tailReinjection) ?? base.tailReinjection,
  };
}
