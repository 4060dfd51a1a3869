/** What a user may choose of the TCP engine: the options, their ranges, and their defaults. */

import { DEFAULT_SETTINGS, type TcpSettings } from "../subflow/settings.ts";
import { checkOptions, describe } from "./policies.ts";

/**
 * Choices about TCP itself, for all subflows of a connection. Those of connect() and listen() stand above those of the host, each by itself.
 *
 * @example One connection without SACK
 * ```ts
 * import { emulate } from "@mptcp/mptcp";
 *
 * await using net = emulate({ paths: { lan: { rate: "20 Mbit/s", delay: "5 ms" } } });
 * using listener = net.server.listen({ port: 80 });
 * const [conn, peer] = await Promise.all([
 *   net.client.connect({ hostname: "server", port: 80, tcp: { sack: false } }),
 *   listener.accept(),
 * ]);
 * conn.close();
 * peer.close();
 * ```
 */
export interface TcpOptions {
  /**
   * Offers and accepts selective acknowledgements (RFC 2018). Without them losses are found by counting duplicate ACKs (RFC 6582).
   *
   * @default {true}
   */
  readonly sack?: boolean;
}

const OPTIONS: Readonly<Record<keyof TcpOptions, true>> = { sack: true };

/**
 * The settings that `options` ask for, `base` where they say nothing.
 *
 * @throws {TypeError} an option is not of its kind, or there is none of its name.
 * @throws {RangeError} a value is out of its range.
 */
export function tcpSettings(
  verb: string,
  options: TcpOptions | undefined,
  base: TcpSettings = DEFAULT_SETTINGS,
): TcpSettings {
  if (options === undefined) return base;
  checkOptions(`${verb} with 'tcp'`, options, OPTIONS);
  return { ...base, sack: flag(verb, "sack", options.sack) ?? base.sack };
}

/** A boolean option. */
function flag(verb: string, name: string, value: unknown): boolean | undefined {
  if (value === undefined || typeof value === "boolean") return value;
  throw new TypeError(
    `Cannot ${verb} as 'tcp.${name}' must be true or false: current value is ${describe(value)}`,
  );
}
