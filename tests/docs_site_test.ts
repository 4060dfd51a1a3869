/** The site of `deno task docs`: every page is there, no link is dead, and a browser shows it wherever it lies. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { afterAll, beforeAll } from "@std/testing/bdd";
import { pathToFileURL } from "node:url";
import puppeteer, { type Browser, type Page } from "npm:puppeteer-core@25.16.0";
import { buildSite, filesBelow } from "../docs/site/build.ts";
import { publicSymbols } from "../docs/site/symbols.ts";
import { ROOT } from "./support/serve.ts";
import { needs } from "./support/tools.ts";

const TYPES: Readonly<Record<string, string>> = {
  css: "text/css",
  html: "text/html",
  js: "text/javascript",
  json: "application/json",
  svg: "image/svg+xml",
  txt: "text/plain",
  woff2: "font/woff2",
};
const { describe, it } = needs("chromium");

/** Serves a folder below a path that its pages know nothing of. */
function serveBelow(path: string, folder: URL): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const { pathname } = new URL(request.url);
    const name = pathname.slice(path.length) || "index.html";
    try {
      if (!pathname.startsWith(path)) throw new Error("It is above");
      const headers = { "content-type": TYPES[name.split(".").at(-1)!] ?? "text/plain" };
      return new Response(await Deno.readFile(new URL(name, folder)), { headers });
    } catch {
      return new Response("Not found\n", { status: 404 });
    }
  });
}

/** Links of the pages of a folder that lead nowhere in it, to a page or to a place in one. */
async function deadLinks(folder: URL): Promise<string[]> {
  const files = new Set(await filesBelow(folder));
  const pages = new Map<string, string>();
  for (const name of files) {
    if (name.endsWith(".html")) pages.set(name, await Deno.readTextFile(new URL(name, folder)));
  }
  const ids = new Map([...pages].map(([name, text]) => [
    name,
    new Set([...text.matchAll(/ id="([^"]+)"/g)].map(([, id = ""]) => id)),
  ]));
  const dead: string[] = [];
  let count = 0;
  for (const [name, text] of pages) {
    if (name === "404.html") continue;
    for (const [, link = ""] of text.matchAll(/ (?:href|src)="([^"]*)"/g)) {
      if (/^(https?|mailto|data):/.test(link)) continue;
      count++;
      const [path = "", hash = ""] = link.replaceAll("&amp;", "&").split("#");
      const target = path === "" ? name : path.replace(/^\.\//, "").replace(/\?.*/, "");
      const id = decodeURIComponent(hash);
      if (!files.has(target === "" ? "index.html" : target)) dead.push(`${name}: ${link}`);
      else if (id !== "" && ids.get(target)?.has(id) === false) dead.push(`${name}: ${link}`);
    }
  }
  assert(count > 1000, `${count} links`);
  return dead;
}

describe("the site", () => {
  let browser: Browser;
  let folder: URL;
  let server: Deno.HttpServer<Deno.NetAddr>;
  let base: string;

  beforeAll(async () => {
    folder = pathToFileURL(`${await Deno.makeTempDir()}/site/`);
    await buildSite(folder);
    server = serveBelow("/some/where/", folder);
    base = `http://127.0.0.1:${server.addr.port}/some/where/`;
    browser = await puppeteer.launch({
      executablePath: "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
    });
  });
  afterAll(async () => {
    await browser.close();
    await server.shutdown();
    await Deno.remove(new URL("../", folder), { recursive: true });
  });

  /** Opens a page, does something there, and says what went wrong. */
  async function visit(
    name: string,
    width: number,
    dark: boolean,
    look: (page: Page) => Promise<void>,
  ): Promise<void> {
    const page = await browser.newPage();
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error") errors.push(message.text());
    });
    page.on("response", (response) => {
      if (response.status() >= 400) errors.push(response.url());
    });
    await page.setViewport({ width, height: 900 });
    const value = dark ? "dark" : "light";
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value }]);
    await page.goto(base + name, { waitUntil: "networkidle0", timeout: 120_000 });
    await look(page);
    assertEquals(errors, [], name);
    await page.close();
  }

  it("has a page for each document, and a place for each public symbol", async () => {
    const names: string[] = [];
    for await (const { name, isFile } of Deno.readDir(new URL("docs/", ROOT))) {
      if (isFile && name.endsWith(".md")) names.push(name.replace(/md$/, "html"));
    }
    const files = await filesBelow(folder);
    assertEquals(names.filter((name) => !files.includes(name)), []);
    const reference = (await Promise.all(
      files.filter((name) => /^api_.*\.html$/.test(name))
        .map((name) => Deno.readTextFile(new URL(name, folder))),
    )).join("");
    const lost = (await publicSymbols()).filter(({ name }) =>
      !reference.includes(` id="symbol-${name}"`)
    );
    assertEquals(lost.map(({ name }) => name), []);
    // A page that no other leads to is found by nobody.
    const first = await Deno.readTextFile(new URL("design.html", folder));
    assertEquals(names.filter((name) => !first.includes(`href="./${name}"`)), []);
  });

  it("has no dead link, to a page, to a place in one, or to a file", async () => {
    assertEquals(await deadLinks(folder), []);
  });

  it("knows no path of its own: it may lie anywhere", async () => {
    for (const name of await filesBelow(folder)) {
      if (!/\.(html|css|js)$/.test(name) || name.startsWith("source/")) continue;
      const text = await Deno.readTextFile(new URL(name, folder));
      assert(!text.includes("/__BASE__/"), name);
    }
  });

  it("opens below any path, light and dark, and on a telephone nothing is wider than the screen", async () => {
    for (const name of ["index.html", "troubleshooting.html", "design.html", "api_mptcp.html"]) {
      for (const [width, dark] of [[1280, false], [400, true]] as const) {
        await visit(name, width, dark, async (page) => {
          assertEquals(await page.evaluate("document.documentElement.scrollWidth"), width, name);
          const [red = 0] = (await page.evaluate(
            "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)",
          )) as number[];
          assert(dark ? red < 60 : red > 200, `${name}: ${red}`);
        });
      }
    }
  });

  it("finds what is searched for, and goes there", async () => {
    await visit("first_minutes.html", 1280, false, async (page) => {
      await page.click(".DocSearch-Button, #local-search button");
      await page.waitForSelector(".VPLocalSearchBox input", { timeout: 120_000 });
      await page.type(".VPLocalSearchBox input", "rp_filter");
      await page.waitForSelector(".VPLocalSearchBox .results .result", { timeout: 120_000 });
      await page.keyboard.press("Enter");
      await page.waitForFunction("!location.pathname.endsWith('first_minutes.html')", {
        timeout: 120_000,
      });
      assertStringIncludes(page.url(), base);
      await page.waitForFunction(
        "document.querySelector('.vp-doc')?.textContent.includes('rp_filter')",
      );
    });
  });

  it("can be read from a disk, too", async () => {
    const page = await browser.newPage();
    await page.goto(new URL("linux.html", folder).href);
    assertMatch(await page.$eval("h1", ({ textContent }) => textContent ?? ""), /^Against Linux/);
    const width = await page.$eval(".VPSidebar", (element) => element.clientWidth);
    assert(width > 100, "its style is not there");
    await page.close();
  });
});
