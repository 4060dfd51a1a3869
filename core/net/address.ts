/** Addresses as applications see them. */

/** Address and port of one end of a connection, or of a listener; a `Deno.NetAddr`. */
export interface NetAddr {
  /** As applications see it, MPTCP is TCP. */
  transport: "tcp";
  /** An IPv4 or IPv6 address in its usual text, without brackets. */
  hostname: string;
  /** From 1 to 65,535. */
  port: number;
}
