/** The TCP options of a capture's segments, octet by octet; what differs from connection to connection is masked. It shares no code with the stack. */

/** LINKTYPE_LINUX_SLL2. */
const SLL2 = 276;
const SUBTYPES = [
  "MP_CAPABLE",
  "MP_JOIN",
  "DSS",
  "ADD_ADDR",
  "REMOVE_ADDR",
  "MP_PRIO",
  "MP_FAIL",
  "MP_FASTCLOSE",
  "MP_TCPRST",
];
const FIN = 1;
const SYN = 2;
const RST = 4;
const ACK = 16;

/** Forms of segments that carry MPTCP: for each kind of segment the different option lists, in hexadecimal, with ".." for what is masked. */
export type Forms = Map<string, Set<string>>;

function hex(bytes: Uint8Array, masked: (index: number) => boolean): string {
  return [...bytes].map((byte, i) => masked(i) ? ".." : byte.toString(16).padStart(2, "0")).join(
    "",
  );
}

/** Octets of an MPTCP option that are masked: keys, tokens, numbers, HMACs, addresses, ports, sequence numbers, lengths and checksums. */
function maskOf(option: Uint8Array): (index: number) => boolean {
  const subtype = option[2]! >> 4;
  // Kind, length, subtype and flags stay.
  if (SUBTYPES[subtype] === "MP_JOIN" && option.length === 24) return (i) => i >= 4;
  if (SUBTYPES[subtype] === "REMOVE_ADDR" || SUBTYPES[subtype] === "ADD_ADDR") return (i) => i >= 3;
  if (SUBTYPES[subtype] === "MP_JOIN") return (i) => i >= 3;
  if (SUBTYPES[subtype] === "MP_PRIO") return () => false;
  return (i) => i >= 4;
}

/** What an MPTCP option is, in words that tell its form. */
function nameOf(option: Uint8Array): string {
  const subtype = SUBTYPES[option[2]! >> 4] ?? "unknown";
  if (subtype === "ADD_ADDR") return option[2]! & 1 ? "ADD_ADDR echo" : "ADD_ADDR";
  if (subtype !== "DSS") return subtype;
  const flags = option[3]!;
  return flags & 16 ? "DSS with DATA_FIN" : flags & 4 ? "DSS with mapping" : "DSS with DATA_ACK";
}

/** Adds the forms of a pcap file's segments from the side whose addresses end in `side`. */
export function readForms(file: Uint8Array, side: 1 | 2, forms: Forms): void {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const little = view.getUint32(0, true) === 0xa1b2c3d4;
  if (view.getUint32(20, little) !== SLL2) throw new Error("Cannot read this: not LINUX_SLL2");
  for (let at = 24; at + 16 <= file.length;) {
    const length = view.getUint32(at + 8, little);
    const ip = file.subarray(at + 36, at + 16 + length);
    at += 16 + length;
    const four = ip[0]! >> 4 === 4;
    if (ip[four ? 9 : 6] !== 6 || (four ? ip[15] : ip[23]) !== side) continue;
    const tcp = ip.subarray(four ? (ip[0]! & 15) * 4 : 40);
    const header = (tcp[12]! >> 4) * 4;
    const total = four ? ip[2]! << 8 | ip[3]! : 40 + (ip[4]! << 8 | ip[5]!);
    const payload = total - (ip.length - tcp.length) - header;
    read(tcp, header, payload > 0, four ? "IPv4" : "IPv6", forms);
  }
}

function read(
  tcp: Uint8Array,
  header: number,
  data: boolean,
  family: string,
  forms: Forms,
): void {
  const texts: string[] = [];
  const names: string[] = [];
  for (let i = 20; i < header;) {
    const kind = tcp[i]!;
    const length = kind <= 1 ? 1 : tcp[i + 1]!;
    const option = tcp.subarray(i, i + length);
    if (kind === 30) {
      names.push(nameOf(option));
      texts.push(hex(option, maskOf(option)));
    } else if (kind === 5) {
      names.push("SACK");
      texts.push("05 blocks");
    } else texts.push(hex(option, (at) => kind === 8 && at >= 2));
    i += length;
  }
  if (names.filter((name) => name !== "SACK").length === 0) return;
  const flags = tcp[13]!;
  const what = [
    flags & SYN
      ? (flags & ACK ? "SYN/ACK" : "SYN")
      : flags & RST
      ? "RST"
      : flags & FIN
      ? "FIN"
      : "ACK",
    ...(data ? ["data"] : []),
    ...names,
    // Whether something is lost is chance.
    ...(names.includes("SACK") ? [] : [family]),
  ].join(" ");
  const known = forms.get(what) ?? new Set();
  known.add(texts.join(" "));
  forms.set(what, known);
}
