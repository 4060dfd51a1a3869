/** The playground in a browser, as a visitor uses it. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { afterAll, beforeAll } from "@std/testing/bdd";
import puppeteer, { type Browser, type Page } from "npm:puppeteer-core@25.16.0";
import { buildPage } from "../../playground/build.ts";
import { needs } from "../support/tools.ts";

const LOOP = `export default () => ({
  kind: "scheduler",
  name: "endless",
  create: () => ({ pick: (ready) => { for (;;); } }),
});
`;
const FIRST = `export default () => ({
  kind: "scheduler",
  name: "first_only",
  create: () => ({ pick: (ready) => ready.find(({ path }) => path === 1) ?? null }),
});
`;
const THROWS = `export default () => ({
  kind: "scheduler",
  name: "throws",
  create: () => ({
    pick(ready) {
      return ready[0].nothing.there;
    },
  }),
});
`;
const { describe, it } = needs("chromium");

/** A visitor. */
class Visitor implements AsyncDisposable {
  readonly page: Page;
  readonly errors: string[] = [];

  constructor(page: Page) {
    this.page = page;
    page.on("pageerror", (error) => this.errors.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error") this.errors.push(message.text());
    });
  }

  async open(url: string): Promise<void> {
    await this.page.goto(url);
    await this.ready(1);
  }

  /** Waits until the n-th pair of runs has come. */
  async ready(n: number): Promise<void> {
    await this.page.waitForSelector(`body:not(.running)[data-ready="${n}"]`, { timeout: 120_000 });
  }

  /** How many have come. */
  async count(): Promise<number> {
    return Number(await this.page.$eval("body", ({ dataset }) => dataset.ready));
  }

  text(selector: string): Promise<string> {
    return this.page.$eval(selector, ({ textContent }) => textContent ?? "");
  }

  /** Replaces the text of the plugin, and runs it by its key. */
  async write(code: string): Promise<void> {
    const n = await this.count();
    await this.page.click(".cm-content");
    await this.page.keyboard.down("Control");
    await this.page.keyboard.press("a");
    await this.page.keyboard.up("Control");
    // As a paste: nothing is completed or indented.
    await this.page.keyboard.sendCharacter(code);
    await this.page.keyboard.down("Control");
    await this.page.keyboard.press("Enter");
    await this.page.keyboard.up("Control");
    await this.ready(n + 1);
  }

  /** How much of each colour a canvas has: what is drawn, as a number. */
  ink(selector: string): Promise<number> {
    return this.page.$eval(selector, (element) => {
      const canvas = element as unknown as {
        width: number;
        height: number;
        getContext(kind: "2d"): {
          getImageData(x: number, y: number, w: number, h: number): { data: Uint8ClampedArray };
        };
      };
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      let hash = 0;
      for (let i = 0; i < data.length; i++) hash = (Math.imul(hash, 31) + data[i]!) | 0;
      return hash;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.close();
  }
}

describe("the playground", () => {
  let browser: Browser;
  let folder: string;
  let url: string;

  beforeAll(async () => {
    folder = await Deno.makeTempDir();
    await Deno.writeTextFile(`${folder}/index.html`, await buildPage());
    url = `file://${folder}/index.html`;
    browser = await puppeteer.launch({
      executablePath: "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
    });
  });
  afterAll(async () => {
    await browser.close();
    await Deno.remove(folder, { recursive: true });
  });

  it("plays at once, shows an edited scheduler, its faults, a loop without end, and shares", async () => {
    await using visitor = new Visitor(await browser.newPage());
    const { page } = visitor;
    await visitor.open(url);
    // It plays by itself.
    assertEquals(await visitor.text("#play"), "Pause");
    const start = await page.$eval(
      "#time",
      (slider) => Number((slider as { value?: string }).value),
    );
    await page.waitForFunction(
      `Number(document.getElementById("time").value) > ${start}`,
      { timeout: 60_000 },
    );
    assertMatch(await visitor.text("#name-yours"), /^take_turns, /);
    assertMatch(await visitor.text("#name-default"), /^earliest, /);
    assertMatch(await visitor.text("#status"), /^Yours: done after .* Yours is .*the default/);
    const figure = await visitor.text("#figure-default");
    const plot = ".pair figure:first-of-type canvas";
    const before = await visitor.ink(plot);

    // Space pauses; a step shows another moment.
    await page.click("h1");
    await page.keyboard.press("Space");
    assertEquals(await visitor.text("#play"), "Play");
    const at = await visitor.text("#clock");
    for (let i = 0; i < 40; i++) await page.keyboard.press(".");
    assert(await visitor.text("#clock") !== at, at);

    // Another scheduler, another plot, the same default.
    await visitor.write(FIRST);
    assertMatch(await visitor.text("#name-yours"), /^first_only, /);
    // What was written plays, whatever stood still before.
    assertEquals(await visitor.text("#play"), "Pause");
    assert(await visitor.ink(plot) !== before);
    assertEquals(await visitor.text("#figure-default"), figure);
    const slower = await visitor.text("#figure-yours");

    // Errors, at their line.
    await visitor.write(`const a = 1;\nconst b = ;\n${FIRST}`);
    assertMatch(await visitor.text("#faults"), /^Line 2: /);
    await visitor.write(THROWS);
    assertMatch(await visitor.text("#faults"), /Line 6: pick\(\) of the scheduler throws: /);
    await visitor.write(LOOP);
    assertMatch(await visitor.text("#faults"), /pick\(\) of the scheduler endless did not return/);

    // A cut with a click, where the lane is; the network is run again.
    await visitor.write(FIRST);
    const runs = await visitor.count();
    await page.click("#lanes-yours canvas");
    await visitor.ready(runs + 1);
    assertMatch(await visitor.text("#events"), /: lte is cut/);
    const cut = await visitor.text("#figure-yours");

    // The address gives the same.
    await page.click("#share");
    await page.waitForFunction("location.hash.length > 100");
    await using other = new Visitor(await browser.newPage());
    await other.open(page.url());
    assertEquals(await other.text("#figure-yours"), cut);
    assertMatch(await other.text("#name-yours"), /^first_only, /);
    assertMatch(await other.text("#events"), /: lte is cut/);
    assert(slower !== "" && visitor.errors.length + other.errors.length === 0, `${visitor.errors}`);
    await other.open(`${url}#w=broken`).catch(() => {});
  });

  it("fits wide and narrow windows, light and dark", async () => {
    for (const [width, dark] of [[1280, false], [400, true]] as const) {
      await using visitor = new Visitor(await browser.newPage());
      const { page } = visitor;
      await page.setViewport({ width, height: 900 });
      await page.emulateMediaFeatures([{
        name: "prefers-color-scheme",
        value: dark ? "dark" : "light",
      }]);
      await visitor.open(url);
      const seen = await page.evaluate(`({
        wider: document.documentElement.scrollWidth - document.documentElement.clientWidth,
        background: getComputedStyle(document.body).backgroundColor,
        charts: [...document.querySelectorAll(".chart h3")].map((each) => each.textContent),
        nameless: [...document.querySelectorAll("button, input, select")].filter((each) =>
          !each.closest("[hidden]") && each.type !== "file" && !(each.getAttribute("aria-label") ||
            each.textContent.trim() || each.labels?.length)).map((each) => each.outerHTML),
      })`) as Record<string, unknown>;
      assertEquals(seen, {
        wider: 0,
        background: dark ? "rgb(16, 20, 24)" : "rgb(255, 255, 255)",
        charts: [
          "Data sequence, MB",
          "Goodput, Mbit/s",
          "Congestion window, segments",
          "Round-trip time, ms",
          "Queue, packets",
          "Reorder buffer, kB",
        ],
        nameless: [],
      });
      assertEquals(visitor.errors, []);
      const shots = Deno.env.get("SCREENSHOTS");
      if (shots === undefined) continue;
      await new Promise((resolve) => setTimeout(resolve, 3000));
      await page.screenshot({ path: `${shots}/${width}.png`, fullPage: true });
    }
  });
});
