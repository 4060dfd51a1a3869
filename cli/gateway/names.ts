/** Names of hosts, looked up by the system, and what has come of that where it gave none. */

import { lookup } from "node:dns/promises";
import { closeSync, openSync } from "node:fs";
import { devNull } from "node:os";
import { parseAddress } from "../../core/wire/ip.ts";
import { type Outcome, TargetError } from "./target.ts";

/** Gives the addresses of a name. */
export type Resolve = (name: string) => Promise<readonly string[]>;

async function systemAddresses(name: string): Promise<readonly string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address);
}

/** What codes of the system say of this machine: it has no more of something, for now. Of a target they say nothing. */
export const SHORT_OF: Readonly<Record<string, string>> = {
  EADDRNOTAVAIL: "ports",
  EMFILE: "files that may be open (ulimit -n)",
  ENFILE: "files that may be open (fs.file-max)",
  ENOBUFS: "buffers",
  ENOMEM: "memory",
};

/** Whether no file can be opened: then the system says of every name that it does not exist. */
function outOfFiles(): boolean {
  try {
    closeSync(openSync(devNull, "r"));
    return false;
  } catch (error) {
    return ["EMFILE", "ENFILE"].includes((error as { code?: string }).code ?? "");
  }
}

/**
 * The addresses of a name.
 *
 * @throws {TargetError} "unknown name": it has none. "busy": this machine could not ask. "failed": nobody could say, this time.
 */
export async function addressesOf(
  name: string,
  resolve: Resolve = systemAddresses,
  short: () => boolean = outOfFiles,
): Promise<readonly string[]> {
  const say = (outcome: Outcome, message: string, cause?: unknown): TargetError =>
    new TargetError(outcome, message, { cause });
  const addresses = await resolve(name).catch((error) => {
    const { code = "" } = error as { code?: string };
    if (short()) {
      throw say("busy", `${name} cannot be looked up: no more ${SHORT_OF.EMFILE}`, error);
    }
    throw code === "ENOTFOUND"
      ? say("unknown name", `no address is known for ${name} (${code})`, error)
      : say("failed", `${name} cannot be looked up at the moment (${code})`, error);
  });
  if (addresses.length === 0) throw say("unknown name", `no address is known for ${name}`);
  return addresses;
}

/**
 * Says of the host that all connections will go to, before there is one, that its name is not known. It may become so: a laptop begins without a network.
 *
 * @param option What named it.
 */
export async function warnUnknown(
  host: string,
  option: string,
  say: (line: string) => void,
  resolve?: Resolve,
): Promise<void> {
  if (parseAddress(host) !== null) return;
  await addressesOf(host, resolve).catch((error: TargetError) =>
    say(
      `Careful: ${error.message}. Until there is one, no connection comes about: is --${option} right?`,
    )
  );
}
