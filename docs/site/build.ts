/**
 * Builds docs/ and the comments of public symbols into a site: `deno task docs [FOLDER]`. Any web server can serve the folder, at any path; opened from a
 * disk its pages can be read, without search.
 */

import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { print, report } from "../../cli/output.ts";
import { checkReplaceable } from "../../pack/output_folder.ts";
import { apiPages } from "./api.ts";
import { entryPoints } from "./symbols.ts";

const HERE = new URL("./", import.meta.url);
const ROOT = new URL("../../", HERE);
const DOCS = new URL("../", HERE);

/** A page that a site which was built before has. */
const MARK = "api_mptcp.html";

/** Stands for the path of the site in what VitePress writes. */
const BASE = "__BASE__";

async function run(cwd: URL, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", CI: "true" },
  }).output();
  const text = new TextDecoder().decode(stdout) +
    new TextDecoder().decode(stderr);
  if (!success) {
    throw new Error(`Cannot build the site by deno ${args.join(" ")}: ${text}`);
  }
  return text;
}

/** Files below a folder, by their paths in it. */
export async function filesBelow(folder: URL, path = ""): Promise<string[]> {
  const found: string[] = [];
  for await (
    const { name, isDirectory } of Deno.readDir(new URL(path, folder))
  ) {
    if (isDirectory) found.push(...await filesBelow(folder, `${path}${name}/`));
    else found.push(path + name);
  }
  return found.sort();
}

async function write(url: URL, text: string | Uint8Array): Promise<void> {
  await Deno.mkdir(new URL("./", url), { recursive: true });
  await Deno.writeFile(
    url,
    typeof text === "string" ? new TextEncoder().encode(text) : text,
  );
}

/** Copies what pages link to and no page is, as text that a browser shows: a file, or the names in a folder. */
async function copySource(path: string, site: URL): Promise<string> {
  const url = new URL(path, ROOT);
  const { isDirectory } = await Deno.stat(url);
  const name = isDirectory ? `source/${path.replace(/\/?$/, "/")}index.txt` : `source/${path}.txt`;
  const text = isDirectory
    ? (await filesBelow(new URL(`${path.replace(/\/?$/, "/")}`, ROOT))).join(
      "\n",
    )
    : await Deno.readTextFile(url);
  await write(new URL(name, site), text);
  return name;
}

/** A page of docs/ as the site has it: links to files that are no pages lead to copies of them. */
async function adapt(
  markdown: string,
  isPage: (file: string) => boolean,
  site: URL,
): Promise<string> {
  const links = new Map<string, string>();
  for (
    const [, target = ""] of markdown.matchAll(/(?<!!\[[^\]]*)\]\(([^)\s]+)\)/g)
  ) {
    if (/^[a-z]+:|^#|^<|\.svg$/.test(target)) continue;
    const [path = "", hash = ""] = target.split(/(?=#)/);
    const from = new URL(path, DOCS).href.slice(ROOT.href.length);
    const own = /^docs\/([\w]+)\.md$/.exec(from)?.[1];
    if (own !== undefined && isPage(own)) continue;
    if (from === "README.md") links.set(target, "./index.md");
    else {links.set(
        target,
        `./${await copySource(from, site)}${hash.startsWith("#L") ? "" : hash}`,
      );}
  }
  return markdown.replaceAll(/\]\(([^)\s]+)\)/g, (whole, target: string) => {
    const to = links.get(target);
    return to === undefined ? whole : `](${to})`;
  });
}

/** The site's files wherever it lies: paths in them, which begin with that of the site, become relative. */
function relocate(name: string, text: string): string {
  if (name.endsWith(".css")) return text.replaceAll(`/${BASE}/assets/`, "");
  if (name.endsWith(".js")) {
    // The index of the search is one string, paths in it.
    const index = /^const \w+=(['`])\{"documentCount"/.exec(text)?.[1];
    if (index !== undefined) return text.replaceAll(`/${BASE}/`, `${index}+${BASE}+${index}`);
    // In parentheses, as what stands before may end with a letter: `return"/…"`.
    return text
      .replaceAll(new RegExp(`"/${BASE}/([^"]*)"`, "g"), `(${BASE}+"$1")`)
      .replaceAll(new RegExp(`\`/${BASE}/`, "g"), `\`\${${BASE}}`);
  }
  // Script of a page that tells where the site is: all pages are in its folder. The page for what is not there may be anywhere.
  const where = name === "404.html" ? '"/"' : 'new URL("./",location.href).pathname';
  return text
    .replaceAll(`\\"/${BASE}/\\"`, `"+JSON.stringify(${BASE})+"`)
    .replaceAll(`/${BASE}/`, name === "404.html" ? "/" : "./")
    .replace("<head>", `<head><script>var ${BASE}=${where}</script>`);
}

/**
 * Builds the site into `folder`, in place of one that is there, and gives the names of its pages.
 *
 * @throws {Error} Something else is there.
 */
export async function buildSite(folder: URL): Promise<string[]> {
  await checkReplaceable(fileURLToPath(folder), MARK);
  const work = pathToFileURL(
    `${await Deno.makeTempDir({ prefix: "mptcp-docs-" })}/`,
  );
  try {
    const source = new URL("src/", work);
    const site = new URL("public/", source);
    for (const name of ["deno.json", "deno.lock"]) {
      await write(
        new URL(name, work),
        await Deno.readFile(new URL(name, HERE)),
      );
    }
    const installed = run(work, "install", "--frozen", "--quiet");
    const files = await filesBelow(DOCS);
    const pages = files.filter((file) => /^\w+\.md$/.test(file));
    const names = new Set(pages.map((file) => file.slice(0, -3)));
    for (const file of pages) {
      const text = await Deno.readTextFile(new URL(file, DOCS));
      await write(
        new URL(file, source),
        await adapt(text, (name) => names.has(name), site),
      );
    }
    for (const file of ["hero.svg", "icon.svg"]) {
      await write(
        new URL(file, site),
        await Deno.readFile(new URL(file, HERE)),
      );
    }
    for (
      const file of files.filter((file) => file.endsWith(".svg") && !file.startsWith("site/"))
    ) {
      await write(
        new URL(file, source),
        await Deno.readFile(new URL(file, DOCS)),
      );
    }
    const api = await apiPages(await entryPoints());
    for (const { file, text } of api) {
      await write(new URL(`${file}.md`, source), text);
      for (
        const [, path = ""] of text.matchAll(/"\.\/source\/([^"]+)\.txt"/g)
      ) {
        await copySource(path, site);
      }
    }
    for (const file of ["config.ts", "theme/index.ts", "theme/site.css"]) {
      await write(
        new URL(`.vitepress/${file}`, source),
        await Deno.readFile(new URL(file, HERE)),
      );
    }
    await write(
      new URL("index.md", source),
      await Deno.readFile(new URL("home.md", HERE)),
    );
    const listed = api.map(({ file, title }) => ({
      text: title,
      link: `/${file}`,
    }));
    await write(
      new URL(".vitepress/pages.json", source),
      JSON.stringify({ api: listed }),
    );
    await installed;
    await run(
      work,
      "run",
      "-A",
      "--frozen",
      "npm:vitepress@1.6.4",
      "build",
      "src",
    );
    const built = new URL(".vitepress/dist/", source);
    const made = await filesBelow(built);
    await Deno.remove(folder, { recursive: true }).catch(() => {});
    for (const name of made) {
      const bytes = await Deno.readFile(new URL(name, built));
      const text = /^[^/]+\.html$|\.(js|css)$/.test(name) &&
        !name.startsWith("source/");
      await write(
        new URL(name, folder),
        text ? relocate(name, new TextDecoder().decode(bytes)) : bytes,
      );
    }
    return made.filter((name) => name.endsWith(".html"));
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

if (import.meta.main) {
  if (Deno.args.includes("--help")) {
    print(
      "deno task docs [FOLDER]\n\nBuilds the documentation as a site. Default of FOLDER: dist/docs",
    );
    Deno.exit();
  }
  const folder = resolve(Deno.args[0] ?? "dist/docs");
  try {
    report("Building the site: it takes a minute, and at first a download of VitePress");
    const pages = await buildSite(pathToFileURL(`${folder}/`));
    print(`Wrote ${pages.length} pages: open ${folder}/index.html, or serve the folder`);
  } catch (error) {
    report((error as Error).message);
    Deno.exit(1);
  }
}
