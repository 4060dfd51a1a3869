/** `mptcp key FILE`: the secret that a proxy and a relay share. */

import { type Command, type Given, UsageError } from "./arguments.ts";
import { writeKeyFile } from "./gateway/key.ts";
import { report } from "./output.ts";

async function run(args: Given): Promise<number> {
  const [file, ...more] = args.positional;
  if (file === undefined || more.length > 0) {
    throw new UsageError("mptcp key needs one file to write: mptcp key relay.key");
  }
  await writeKeyFile(file);
  report(
    `${file} has a new key: copy it to the other machine (scp ${file} …), readable by you alone.`,
  );
  return 0;
}

/** The command. */
export const KEY: Command = {
  name: "key",
  positional: "FILE",
  summary: "make the key that mptcp proxy and mptcp relay share",
  text: `Writes 32 random octets, as one line of text, to a new file that only you can read.
Whoever has it may connect to anything through the relay.`,
  examples: [["mptcp key relay.key", "then copy it to the relay's machine"]],
  options: {},
  run,
};
