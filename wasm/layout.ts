/**
 * Offsets shared by the WebAssembly module (AssemblyScript) and its callers (TypeScript): both import this file, so each is written once.
 *
 * `RX_*` and `TX_*` are indices of 32-bit words from address 0 of the memory: two fixed descriptors below the heap, the last packet parsed and the
 * next header to build. `KEY_*` are byte offsets into a flow key; `STREAM_*` and `RECEIVER_*` are indices of 64-bit floats into a record.
 */

/** Bytes of a page of stream data. */
export const PAGE = 65536;

// What `packet_parse` found. Ports, sequence numbers and lengths are host-order unsigned numbers.
export const RX_FAMILY = 16; // 4 or 6
export const RX_PROTOCOL = 17; // 6 TCP, 1 ICMP, 58 ICMPv6
export const RX_ECN = 18; // two lowest bits of the traffic class
export const RX_SOURCE_PORT = 19;
export const RX_DEST_PORT = 20;
export const RX_SEQ = 21;
export const RX_ACK = 22;
export const RX_FLAGS = 23; // TCP_* below
export const RX_WINDOW = 24; // as on the wire, not scaled
export const RX_PAYLOAD = 25; // address
export const RX_LENGTH = 26; // bytes of payload
export const RX_OPTIONS = 27; // OPTION_* below
export const RX_MSS = 28;
export const RX_WINDOW_SCALE = 29;
export const RX_TSVAL = 30;
export const RX_TSECR = 31;
export const RX_SACK_COUNT = 32;
export const RX_SACK = 33; // up to four pairs: left, right
export const RX_DSS_FLAGS = 41; // DSS_* below
export const RX_DATA_ACK_HIGH = 42; // 0 when only four bytes came
export const RX_DATA_ACK_LOW = 43;
export const RX_DSN_HIGH = 44;
export const RX_DSN_LOW = 45;
export const RX_SSN = 46;
export const RX_DATA_LENGTH = 47;
export const RX_DSS_CHECKSUM = 48; // -1 when absent
export const RX_MPTCP = 49; // nine words: address of the option of subtype 0..8 (its kind octet), 0 when absent
export const RX_SOURCE = 60; // 16 bytes, network order; IPv4 in the first four, the rest zero
export const RX_DEST = 64;
export const RX_IP = 68; // address of the IP header
export const RX_TRANSPORT = 69; // address of the TCP or ICMP header
export const RX_TOTAL = 70; // bytes from RX_IP to the end of the packet
export const RX_FLOW = 71; // value of the flow that it belongs to, 0 for none
export const RX_FAST_OPEN = 72; // address of the Fast Open option (its kind octet), where OPTION_FAST_OPEN says that there is one
export const RX_AGAIN = 73; // 1: as the packet before, but for RX_SEQ, RX_LENGTH, TCP_PSH, and where it lies

// What `header_build` writes.
export const TX_SEQ = 80;
export const TX_ACK = 81;
export const TX_FLAGS = 82;
export const TX_WINDOW = 83; // as on the wire
export const TX_OPTIONS = 84; // which of the options below to write
export const TX_MSS = 85;
export const TX_WINDOW_SCALE = 86;
export const TX_TSVAL = 87;
export const TX_TSECR = 88;
export const TX_SACK_COUNT = 89;
export const TX_SACK = 90; // up to four pairs
export const TX_DSS_FLAGS = 98;
export const TX_DATA_ACK_HIGH = 99;
export const TX_DATA_ACK_LOW = 100;
export const TX_DSN_HIGH = 101;
export const TX_DSN_LOW = 102;
export const TX_SSN = 103;
export const TX_DATA_LENGTH = 104;
export const TX_DSS_CHECKSUM = 105; // -1: none
export const TX_RAW = 106; // address of further options, already encoded
export const TX_RAW_LENGTH = 107; // padded to four bytes with NOP by the builder
export const TX_ECN = 108; // two lowest bits of the traffic class

// Results of calls that give more than one number.
export const OUT_0 = 120;
export const OUT_1 = 121;
export const OUT_2 = 122;
export const OUT_3 = 123;

// Bytes of a key and a message to hash, and of the digest, above the free lists. Byte addresses.
export const HASH_KEY = 640; // 16 bytes: two keys of MPTCP
export const HASH_MESSAGE = 656; // up to 48 bytes
export const HASH_DIGEST = 704; // 32 bytes

/** First byte that the compiler may use for data (asc --memoryBase). The allocator's free lists lie below it, from byte 512. */
export const MEMORY_BASE = 1024;

// TCP flags (RFC 9293 §3.1).
export const TCP_FIN = 1;
export const TCP_SYN = 2;
export const TCP_RST = 4;
export const TCP_PSH = 8;
export const TCP_ACK = 16;
export const TCP_URG = 32;
export const TCP_ECE = 64;
export const TCP_CWR = 128;

// Options: in RX_OPTIONS what came, in TX_OPTIONS what to write.
export const OPTION_MSS = 1;
export const OPTION_WINDOW_SCALE = 2;
export const OPTION_SACK_PERMITTED = 4;
export const OPTION_TIMESTAMPS = 8;
export const OPTION_SACK = 16;
export const OPTION_MPTCP = 32; // any MPTCP option; in TX: TX_RAW
export const OPTION_DSS = 64; // a well-formed DSS
export const OPTION_MALFORMED = 128; // an MPTCP option of wrong length was left out
export const OPTION_RARE = 256; // a well-formed MPTCP option other than DSS
export const OPTION_FAST_OPEN = 512; // of a SYN or SYN/ACK; received only

// DSS flags (RFC 8684 §3.3).
export const DSS_DATA_ACK = 1;
export const DSS_DATA_ACK_8 = 2;
export const DSS_MAPPING = 4;
export const DSS_DSN_8 = 8;
export const DSS_DATA_FIN = 16;

// Verdicts of `packet_parse`: 0 is good, each other one is counted under its name.
export const PARSE_OK = 0;
export const PARSE_SHORT = 1; // shorter than its headers say
export const PARSE_VERSION = 2; // neither IPv4 nor IPv6
export const PARSE_HEADER = 3; // a header length below the least or past the end
export const PARSE_IP_CHECKSUM = 4;
export const PARSE_FRAGMENT = 5;
export const PARSE_PROTOCOL = 6; // neither TCP nor ICMP
export const PARSE_CHECKSUM = 7; // TCP or ICMP
export const PARSE_OPTION = 8; // a TCP option that runs past the header, or a length below 2

// A flow key, also the template of a flow's headers. Byte offsets; ports host order, 16 bit each.
export const KEY_FAMILY = 0; // 32 bit
export const KEY_LOCAL_PORT = 4; // 16 bit
export const KEY_REMOTE_PORT = 6; // 16 bit
export const KEY_IP_ID = 8; // 16 bit, counted up by `header_build`
export const KEY_DSCP = 10; // 8 bit
export const KEY_LOCAL = 16; // 16 bytes, network order
export const KEY_REMOTE = 32; // 16 bytes
export const KEY_SIZE = 48;

// How `header_build` fills the checksum field.
export const CHECKSUM_NONE = 0; // zero
export const CHECKSUM_PARTIAL = 1; // folded pseudo-header sum, not complemented (virtio NEEDS_CSUM)
export const CHECKSUM_FULL = 2;

// A stream: bytes of [HEAD, NEXT) are there in order; above NEXT there may be ranges.
export const STREAM_HEAD = 0; // first byte kept
export const STREAM_NEXT = 1; // end of what is in order
export const STREAM_TOP = 2; // end of the highest byte held
export const STREAM_PAGES = 3; // pages held

// A subflow's receiver: its sequence numbers are offsets from the peer's initial one (0 is SYN, 1 the first byte).
export const RECEIVER_NEXT = 0; // RCV.NXT
export const RECEIVER_TOP = 1; // end of the highest byte received
export const RECEIVER_RANGES = 2; // ranges above RCV.NXT
export const RECEIVER_STAGED = 3; // bytes held for want of a mapping or of a checksum
export const RECEIVER_MAPPINGS = 4; // mappings held
export const RECEIVER_DUPLICATE_FROM = 5; // what of the segment taken last with SEGMENT_DUPLICATE had come before: the first such bytes in a row
export const RECEIVER_DUPLICATE_TO = 6;
export const RECEIVER_FAILED = 15; // least data offset of a mapping whose checksum failed; 0 without

// What `receiver_segment` and `receiver_map` report, as bits.
export const SEGMENT_ADVANCED = 1; // RCV.NXT moved
export const SEGMENT_DATA = 2; // the stream's NEXT moved
export const SEGMENT_DUPLICATE = 4; // some of its bytes had come before
export const SEGMENT_GAP = 8; // it lies above RCV.NXT
export const SEGMENT_FILLED = 16; // it filled a hole below a range, wholly or in part
export const SEGMENT_STAGED = 32; // some bytes wait for a mapping or for the rest of one
export const SEGMENT_CHECKSUM = 64; // a mapping failed its checksum: its bytes were not delivered
export const SEGMENT_MEMORY = 128; // no memory, or more than the connection may hold: dropped before anything changed
export const SEGMENT_BEYOND = 256; // bytes beyond the data-level window were received on the subflow, not kept
export const SEGMENT_DATA_DUPLICATE = 512; // bytes that another subflow had brought
export const SEGMENT_PRUNED = 4096; // to make room for it, bytes farthest above a hole were dropped
export const SEGMENT_TAIL = 8192; // it went to the stream above a hole, behind all that was held there
export const SEGMENT_LANDED = 32768; // its bytes were in their place before: nothing was copied
export const SEGMENT_MERGED = 16384; // it went there beside, or over, bytes that were held

// Results of `receiver_map`.
export const MAPPING_CONFLICT = 1024; // contradicts one held (counted DSSNotMatching); it was left out
export const MAPPING_NEW = 2048;

// What `host_usage` counts.
export const USAGE_STREAMS = 0;
export const USAGE_RECEIVERS = 1;
export const USAGE_FLOWS = 2;
export const USAGE_PAGES = 3; // stream pages
export const USAGE_BYTES = 4; // all bytes of the host that are not free
