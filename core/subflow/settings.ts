/** What can be chosen of the TCP engine, for a host and for a connection: plain values, checked where the user gives them (net/tcp_options.ts). */

/** The choices that hold for one connection and all of its subflows. */
export interface TcpSettings {
  /** SACK is offered and accepted (RFC 2018 §2). */
  readonly sack: boolean;
}

/** What holds where nothing else is asked for. */
export const DEFAULT_SETTINGS: TcpSettings = Object.freeze({ sack: true });
