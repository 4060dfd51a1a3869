/** Captures of what goes over the wire. */

import { assert } from "@std/assert";
import type { Namespace } from "../../../cli/namespace.ts";
import { sleep, until } from "./wait.ts";

/** Captures all packets in a namespace while `use` runs. */
export async function capture(
  lab: Namespace,
  path: string,
  use: () => Promise<void>,
): Promise<void> {
  const tcpdump = lab.spawn(
    [
      "tcpdump",
      "-i",
      "any",
      "-y",
      "LINUX_SLL2",
      "--immediate-mode",
      "-s",
      "2048",
      "-B",
      "65536",
      "-Uw",
      path,
    ],
    { stdin: "null", stdout: "null", stderr: "piped" },
  );
  let said = "";
  const reader = tcpdump.stderr.pipeThrough(new TextDecoderStream()).getReader();
  const more = async (): Promise<boolean> => {
    const { value, done } = await reader.read();
    said += value ?? "";
    return !done;
  };
  while (!said.includes("listening on")) assert(await more(), said);
  await use();
  let size = -1;
  await until("all packets are written", async () => {
    const before = size;
    await sleep(200);
    ({ size } = await Deno.stat(path));
    return size === before;
  });
  tcpdump.kill("SIGINT");
  while (await more());
  await tcpdump.status;
  const captured = /^(\d+) packets captured\n(\d+) packets received/m.exec(said);
  assert(captured !== null && captured[1] === captured[2], said);
}
