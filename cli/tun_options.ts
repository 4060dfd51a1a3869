/** The option that names TUN devices and their addresses. */

import { delay, type HostInterface, impair, type Link, loss, tun } from "../mod.ts";
import { type Given, type Option, UsageError } from "./arguments.ts";
import { describeShape, type PathShape } from "./network_options.ts";
import { report } from "./output.ts";

/** One device. */
export interface TunSpec {
  /** Its name. */
  readonly name: string;
  /** Addresses of this stack with prefix lengths. */
  readonly addresses: readonly string[];
  /** Addresses of the kernel's side; empty: the first of each prefix. */
  readonly kernelAddresses: readonly string[];
}

/** What is used when none is named; `mptcp lab` makes the same. */
export const DEFAULT_TUNS: readonly string[] = ["mptcp0=10.77.1.2/24", "mptcp1=10.77.2.2/24"];

/** The option, for a command's list. */
export const TUN_OPTIONS: Readonly<Record<string, Option>> = {
  tun: {
    value: "NAME=ADDRESS/LENGTH",
    several: true,
    help: "A TUN device and this stack's address behind it; once for each path.\n" +
      "Several addresses: NAME=A/24,B/64. The kernel's side gets the first\n" +
      "address of each prefix, or what follows an @: NAME=A/24@K/24. A device\n" +
      "that exists is used as it is.\n" +
      `Default: ${DEFAULT_TUNS.join(" and ")}`,
  },
};

/**
 * Reads one device.
 *
 * @throws {UsageError} it is not of the form above.
 */
export function parseTun(text: string): TunSpec {
  // Names are those of the kernel, without what would mean something else in rules of nftables.
  const match = /^([^=@,\s/:"*\\]{1,15})=([^=@\s]+)(?:@([^=@\s]+))?$/.exec(text);
  if (!match) {
    throw new UsageError(
      `--tun must be NAME=ADDRESS/LENGTH, for example ${DEFAULT_TUNS[0]}: it is "${text}"`,
    );
  }
  const [, name = "", addresses = "", kernelAddresses = ""] = match;
  return {
    name,
    addresses: addresses.split(","),
    kernelAddresses: kernelAddresses === "" ? [] : kernelAddresses.split(","),
  };
}

/** What a lab tells the commands that run in it: delay and loss of its devices, which each makes for its own packets. */
const IMPAIR = "MPTCP_LAB_IMPAIR";

/** The environment that tells it. */
export function impairEnvironment(
  shapes: Readonly<Record<string, PathShape>>,
): Record<string, string> {
  const some = Object.entries(shapes).flatMap(([device, { delay, loss }]) =>
    delay === undefined && loss === undefined ? [] : [[
      device,
      { ...(delay && { delay }), ...(loss && { loss }) },
    ]]
  );
  return some.length === 0 ? {} : { [IMPAIR]: JSON.stringify(Object.fromEntries(some)) };
}

function impairments(): Readonly<Record<string, PathShape>> {
  // Without the permission there is no lab around, and nobody is to be asked.
  const { state } = Deno.permissions.querySync({ name: "env", variable: IMPAIR });
  const text = state === "granted" ? Deno.env.get(IMPAIR) : undefined;
  return text === undefined ? {} : JSON.parse(text);
}

function impaired(link: Link, shape: PathShape | undefined): Link {
  if (shape === undefined) return link;
  report(`${link.name}: ${describeShape(shape)} in each direction, as the lab has it`);
  const elements = () => [loss(shape.loss ?? 0), delay(shape.delay ?? "0 ms")];
  return impair(link, { send: elements(), receive: elements() });
}

/** The interfaces of a host, from the devices that were given; in a lab with its delay and loss. */
export function tunInterfaces(given: Given): HostInterface[] {
  const texts = given.values("tun");
  const shapes = impairments();
  return (texts.length > 0 ? texts : DEFAULT_TUNS).map(parseTun).map((spec) => ({
    link: impaired(
      tun(
        spec.name,
        spec.kernelAddresses.length > 0 ? { kernelAddresses: spec.kernelAddresses } : {},
      ),
      shapes[spec.name],
    ),
    addresses: spec.addresses,
  }));
}
