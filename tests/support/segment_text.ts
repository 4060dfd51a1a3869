/**
 * One line for one TCP segment, as packetdrill writes them: `[ECN] FLAGS [SEQ[:END] | +LENGTH] [ack N] [win N] [<option, option …>]`.
 *
 * ECN is `[ect0]`, `[ect1]` or `[ce]`, as it stands there; without it the packet is not-ECT. Flags are letters of "SFRPU.EW" (the dot is ACK, E is ECE, W is
 * CWR). Sequence numbers are offsets from the sender's initial one, data sequence numbers from its initial
 * data sequence number. Options:
 *
 * - `mss N`, `sackOK`, `TS VALUE ECHO`, `ws N`, `sack A:B C:D`
 * - `tfo`, `tfo HEX`: Fast Open, without a cookie and with one; written before the MPTCP option
 * - `mpc`, `mpc key`, `mpc keys`, `mpc keys len N [csum]`, each with `A` (checksum), `C` (no join here), `v0` behind it
 * - `join syn id N [backup]`, `join synack id N [backup]`, `join ack`; `bad` behind it spoils token or HMAC
 * - `dack N`, `dack8 N`; `map DSN SSN LENGTH [fin] [csum|nosum|zero|bad]`, `map8 …`; `map`, `map8` alone map the payload to the next data
 * - `add ID ADDRESS [port N] [bad]`, `echo ID ADDRESS [port N]`, `rm ID …`, `prio`, `prio backup`, `fail N`, `fastclose [bad]`, `tcprst N [transient]`
 *
 * In an expectation only what is written must hold; each option there must be the beginning of one that came, `!WORD` one that did not.
 */

/** What a line says. */
export interface Template {
  /** Letters of "SFRPU.EW". */
  readonly flags: string;
  /** The ECN bits of the IP header. */
  readonly ecn: number;
  /** First sequence offset. */
  readonly seq: number | null;
  /** One past the last; not counting SYN and FIN. */
  readonly end: number | null;
  /** Bytes of payload behind what was sent before. */
  readonly more: number | null;
  readonly ack: number | null;
  readonly win: number | null;
  readonly options: readonly string[] | null;
}

const ECN = ["", "ect1", "ect0", "ce"];

const LINE =
  /^(?:\[(ect0|ect1|ce)\] )?([SFRPU.EW]+)(?: (-?\d+)(?::(-?\d+))?| \+(\d+))?(?: ack (-?\d+))?(?: win (\d+))?(?: <(.*)>)?$/;

/** Reads a line. */
export function parseTemplate(text: string): Template {
  const match = LINE.exec(text);
  if (match === null) throw new SyntaxError(`Cannot read the segment "${text}"`);
  const [, ecn = "", flags = "", seq, end, more, ack, win, options] = match;
  const number = (part: string | undefined): number | null => part === undefined ? null : +part;
  return {
    flags,
    ecn: ECN.indexOf(ecn),
    seq: number(seq),
    end: number(end ?? seq),
    more: number(more),
    ack: number(ack),
    win: number(win),
    options: options === undefined ? null : options.split(",").map((each) => each.trim()),
  };
}

/** A segment that came out, in the words of a line. */
export interface Described {
  readonly flags: string;
  readonly ecn: number;
  readonly seq: number;
  readonly end: number;
  readonly ack: number;
  readonly win: number;
  readonly options: readonly string[];
}

/** Writes it as a line. */
export function render({ flags, ecn, seq, end, ack, win, options }: Described): string {
  const range = end > seq ? `${seq}:${end}` : `${seq}`;
  const acked = flags.includes(".") ? ` ack ${ack}` : "";
  return `${ecn === 0 ? "" : `[${ECN[ecn]}] `}${flags} ${range}${acked} win ${win} <${
    options.join(", ")
  }>`;
}

/** What of `template` does not hold for a segment; null when all does. */
export function mismatch(template: Template, got: Described): string | null {
  const sorted = (flags: string): string => [...flags].sort().join("");
  // PSH tells nothing unless it is asked for.
  const flags = template.flags.includes("P") ? got.flags : got.flags.replace("P", "");
  if (sorted(template.flags) !== sorted(flags)) return "flags";
  if (template.ecn !== got.ecn) return "ecn";
  if (template.seq !== null && template.seq !== got.seq) return "seq";
  if (template.end !== null && template.end !== got.end) return "end";
  if (template.more !== null && template.more !== got.end - got.seq) return "length";
  if (template.ack !== null && template.ack !== got.ack) return "ack";
  if (template.win !== null && template.win !== got.win) return "win";
  for (const option of template.options ?? []) {
    const absent = option.startsWith("!");
    const wanted = absent ? option.slice(1) : option;
    const there = got.options.some((each) => `${each} `.startsWith(`${wanted} `));
    if (there === absent) return option;
  }
  return null;
}
