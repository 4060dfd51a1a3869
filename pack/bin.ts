/** The command of the npm package, for Node, Bun and Deno. */

import "./compat.ts";
import { spawn } from "node:child_process";
import { constants } from "node:os";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** Commands that need nothing that Deno alone has: no TUN device, no control socket. */
const ANYWHERE = new Set(["demo", "sim", "new", "key", "help"]);

/** Runs the command line with the `deno` that is installed; gives its exit code, null when there is none. */
function runInDeno(args: readonly string[]): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const child = spawn("deno", ["run", "-A", fileURLToPath(import.meta.url), ...args], {
      stdio: "inherit",
    });
    child.once("error", (error: Error & { code?: unknown }) => {
      if (error.code === "ENOENT") resolve(null);
      else reject(error);
    });
    child.once("close", (code, signal) => {
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
    // A terminal sends its signals to the child too, which ends in its own way.
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.on(signal, () => child.kill(signal));
    }
  });
}

async function dispatch(args: readonly string[]): Promise<number> {
  const [name = ""] = args;
  const own = "Deno" in process.versions ||
    process.versions["deno"] !== undefined;
  const { COMMANDS, main } = await import("../cli/mod.ts");
  const elsewhere = !own && !ANYWHERE.has(name) && !args.includes("--help") &&
    !args.includes("-h") && COMMANDS.some((command) => command.name === name);
  if (!elsewhere) return await main(args);
  const code = await runInDeno(args);
  if (code !== null) return code;
  process.stderr.write(
    `mptcp ${name} needs Deno, which opens TUN devices and control sockets as ${
      process.versions["bun"] === undefined ? "Node" : "Bun"
    } cannot: install it (npm install -g deno), and this command finds it\n`,
  );
  return 1;
}

process.exit(await dispatch(process.argv.slice(2)));
