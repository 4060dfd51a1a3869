/** Choices about MPTCP itself, as users give them. */

import { DEFAULT_MPTCP, type MptcpSettings } from "../connection/settings.ts";
import { type Duration, parseDuration } from "../link/units.ts";
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
}

const OPTIONS: Readonly<Record<keyof MptcpOptions, true>> = {
  checksum: true,
  closeTimeout: true,
};

const MOST_CLOSE_TIMEOUT = 32767e6;

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
  return {
    ...base,
    enabled: true,
    checksum: flag(verb, "checksum", options.checksum) ?? base.checksum,
    closeTimeout: duration(verb, "closeTimeout", options.closeTimeout, 0, MOST_CLOSE_TIMEOUT) ??
      base.closeTimeout,
  };
}

function flag(verb: string, name: string, value: unknown): boolean | undefined {
  if (value === undefined || typeof value === "boolean") return value;
  throw new TypeError(
    `Cannot ${verb} as 'mptcp.${name}' must be true or false: current value is ${describe(value)}`,
  );
}

/** A time from `least` to `most` microseconds, both whole seconds. */
function duration(
  verb: string,
  name: string,
  value: Duration | undefined,
  least: number,
  most: number,
): number | undefined {
  if (value === undefined) return undefined;
  const time = parseDuration(value, `mptcp.${name}`);
  if (time >= least && time <= most) return time;
  throw new RangeError(
    `Cannot ${verb} as 'mptcp.${name}' must be from ${least / 1e6} s to ${
      most / 1e6
    } s: current value is ${describe(value)}`,
  );
}
