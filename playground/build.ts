/** Builds the playground: `deno task playground [FOLDER]` writes one page, index.html, which needs no server and no network. */

import { fileURLToPath } from "node:url";

const HERE = new URL("./", import.meta.url);

/** A module and all that it imports, as one script. */
async function bundle(name: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "bundle",
      "--quiet",
      "--check",
      "--frozen",
      "--platform=browser",
      "--minify",
      `--config=${fileURLToPath(new URL("deno.json", HERE))}`,
      fileURLToPath(new URL(name, HERE)),
    ],
    cwd: HERE,
  }).output();
  if (success) return new TextDecoder().decode(stdout);
  throw new Error(`Cannot bundle ${name}: ${new TextDecoder().decode(stderr)}`);
}

/** Script as it may stand in a script element: nothing in it ends that, or begins a comment of HTML. */
function inElement(script: string): string {
  return script.replaceAll(/<\/(script)/gi, "<\\/$1").replaceAll("<!--", "<\\!--");
}

/** The page. */
export async function buildPage(): Promise<string> {
  const read = (name: string): Promise<string> => Deno.readTextFile(new URL(name, HERE));
  const [html, style, charts, worker, page] = await Promise.all([
    read("page.html"),
    read("page.css"),
    import("npm:uplot@1.6.32/dist/uPlot.min.css", { with: { type: "text" } }),
    bundle("worker.ts"),
    bundle("page.ts"),
  ]);
  return html
    .replace("/*STYLE*/", () => `${charts.default}\n${style}`)
    .replace("/*WORKER*/", () => inElement(worker))
    .replace("/*PAGE*/", () => inElement(page));
}

if (import.meta.main) {
  if (Deno.args.includes("--help")) {
    // deno-lint-ignore no-console -- what was asked for
    console.log(
      "deno task playground [FOLDER]\n\nBuilds one page. Default of FOLDER: dist/playground",
    );
    Deno.exit();
  }
  const [folder = "dist/playground"] = Deno.args;
  const target = `${folder}/index.html`;
  // deno-lint-ignore no-console -- it takes its time
  console.error("Building the page: at first with a download of the editor");
  const page = await buildPage();
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(target, page);
  // deno-lint-ignore no-console -- what it is for
  console.log(`Wrote ${target}, ${Math.round(page.length / 1000)} kB: open it in a browser`);
}
