/** Where the command was loaded from, its version, and how who runs it calls it. */

import { fileURLToPath } from "node:url";
import config from "../deno.json" with { type: "json" };
import { isInstalled } from "./namespace.ts";

/** Name of the package (npm, JSR). */
export const PACKAGE: string = config.name;
/** Version of the command and of the stack, by semantic versioning. */
export const VERSION: string = config.version;

/** Where a module was loaded from: a clone, a server, or the package for npm, whose modules are joined into others. */
export type Origin = "clone" | "url" | "package";

/** Where the module with this URL was loaded from. */
export function originOf(url: string = import.meta.url): Origin {
  if (/^https?:/.test(url)) return "url";
  return url.endsWith(".ts") ? "clone" : "package";
}

/** A variable of the environment, where it may be read without asking; undefined elsewhere. */
export async function readVariable(name: string): Promise<string | undefined> {
  const { state } = await Deno.permissions.query({
    name: "env",
    variable: name,
  });
  return state === "granted" ? Deno.env.get(name) : undefined;
}

function onPath(): boolean {
  try {
    return isInstalled("mptcp");
  } catch {
    // The environment may not be read.
    return false;
  }
}

/** What is typed to call the command again: "mptcp", or what stands in its place. */
export async function findCall(url: string = import.meta.url): Promise<string> {
  switch (originOf(url)) {
    case "url":
      return `deno run -A ${new URL("mod.ts", url).href}`;
    case "package":
      return await readVariable("npm_command") === "exec" ? `npx ${PACKAGE}` : "mptcp";
    case "clone": {
      // `deno task` says where it was called from.
      if (await readVariable("INIT_CWD") !== undefined) {
        return "deno task mptcp";
      }
      const { state } = await Deno.permissions.query({
        name: "env",
        variable: "PATH",
      });
      if (state !== "granted") return "deno task mptcp";
      if (onPath()) return "mptcp";
      const [path, folder] = [
        fileURLToPath(new URL("mod.ts", url)),
        `${Deno.cwd()}/`,
      ];
      return `deno run -A ${path.startsWith(folder) ? path.slice(folder.length) : path}`;
    }
  }
}

/** A help text whose usage and examples call the command as `call` does. */
export function withCall(text: string, call: string): string {
  return text
    .replace(/^mptcp (?=[a-z]+( |$))/, () => `${call} `)
    .replace(
      /^( +|(?=mptcp COMMAND))mptcp (?=[a-zC])/gm,
      (_, indent: string) => `${indent}${call} `,
    );
}
