/** What goes over UDP between two hosts, octet by octet (docs/udp.md). Numbers have their higher octet first. */

/** Version of the protocol: the upper half of the first octet of each datagram. */
export const VERSION = 1;

/** A segment of TCP, as it is but without IP header and checksum. */
export const DATA = 0;
/** Begins an association; the segment behind it is its first. */
export const HELLO = 1;
/** Answers HELLO: the association is there. */
export const WELCOME = 2;
/** Answers HELLO: to be sent again, with a cookie. */
export const RETRY = 3;
/** Asks whether the peer is where a datagram of its association came from. */
export const CHALLENGE = 4;
/** Answers CHALLENGE. */
export const RESPONSE = 5;
/** Keeps address translators awake. */
export const PING = 6;
/** Answers what names an association that is not there. */
export const UNKNOWN = 7;
/** Ends an association. */
export const BYE = 8;

/** Octets in front of the segment of DATA: version and type, traffic class, tag. PING and UNKNOWN are nothing else. */
export const HEADER = 10;
/** Where the traffic class stands: the octet of that name of IPv6, TOS of IPv4. */
export const TRAFFIC_CLASS = 1;
/** Where the tag stands: the receiver's own, in HELLO and UNKNOWN the sender's. */
export const TAG = 2;
/** Octets of a tag. */
export const TAG_SIZE = 8;
/** Octets of what each side adds to the secret of an association. */
export const NONCE_SIZE = 16;
/** Octets of an HMAC-SHA256 as it is sent: half of it (RFC 2104 §5). */
export const MAC_SIZE = 16;
/** Octets of a cookie: when it was made, and a MAC. */
export const COOKIE_SIZE = 4 + MAC_SIZE;

/** HELLO: the initiator's nonce, the length of a cookie (0: none), the cookie, a MAC, a segment. */
export const HELLO_NONCE = HEADER;
/** Where the length of HELLO's cookie stands. */
export const HELLO_COOKIE_LENGTH = HELLO_NONCE + NONCE_SIZE;
/** Where the cookie of HELLO begins. */
export const HELLO_COOKIE = HELLO_COOKIE_LENGTH + 1;
/** Most octets in front of the segment of HELLO. */
export const HELLO_MOST = HELLO_COOKIE + COOKIE_SIZE + MAC_SIZE;

/** WELCOME: the tag that the responder has chosen, its nonce, a MAC. */
export const WELCOME_TAG = HEADER;
/** Where the responder's nonce begins. */
export const WELCOME_NONCE = WELCOME_TAG + TAG_SIZE;
/** Where the MAC of WELCOME begins. */
export const WELCOME_MAC = WELCOME_NONCE + NONCE_SIZE;

/** RETRY, CHALLENGE, RESPONSE: where the cookie begins. */
export const COOKIE = HEADER;
/** Where the MAC of RESPONSE begins. */
export const RESPONSE_MAC = COOKIE + COOKIE_SIZE;
/** Where the MAC of BYE begins. */
export const BYE_MAC = HEADER;

/** Octets of each type; of DATA and HELLO the least. */
export const SIZES: readonly number[] = [
  HEADER + 20,
  HELLO_COOKIE + MAC_SIZE,
  WELCOME_MAC + MAC_SIZE,
  COOKIE + COOKIE_SIZE,
  COOKIE + COOKIE_SIZE,
  RESPONSE_MAC + MAC_SIZE,
  HEADER,
  HEADER,
  BYE_MAC + MAC_SIZE,
];

/** Whether `length` octets can be a datagram of `type`; false for types that there are not. */
export function rightSize(type: number, length: number): boolean {
  const size = SIZES[type];
  if (size === undefined) return false;
  return type === DATA || type === HELLO ? length >= size : length === size;
}

/** A datagram of `type` that carries `tag`, the rest of it zero. */
export function datagram(type: number, tag: Uint8Array, length = SIZES[type]!): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes[0] = VERSION << 4 | type;
  bytes.set(tag, TAG);
  return bytes;
}
