/** Pages in a browser without a screen. */

import { assert } from "@std/assert";

/** Tells the page around what was seen. */
const TELL = 'const tell = (seen) => parent.postMessage(JSON.stringify(seen), "*");\n';

/** A page around a page, as wide as is asked for: the windows of a browser have a least width. */
function frame(width: number): string {
  return `<!DOCTYPE html><meta name="color-scheme" content="light dark">
<script>addEventListener("message", ({ data }) => {
  const result = document.createElement("script");
  result.type = "application/json";
  result.id = "seen";
  result.textContent = data;
  document.body.append(result);
});</script>
<body style="margin: 0"><iframe src="page.html" style="width: ${width}px; height: 1000px; border: 0"></iframe>`;
}

/**
 * Opens a page in Chromium, so many pixels wide, and gives what `script` saw there: it runs in the page before all others, and calls `tell(seen)`
 * once, with plain data. The page must have a `<style>`, as scripts go in front of it.
 */
export async function lookAt<Seen>(
  html: string,
  script: string,
  width: number,
  dark: boolean,
): Promise<Seen> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/frame.html`, frame(width));
    await Deno.writeTextFile(
      `${folder}/page.html`,
      html.replace("<style>", () => `<script>${TELL}${script}</script><style>`),
    );
    const { stdout, stderr } = await new Deno.Command("chromium", {
      args: [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--disable-dev-shm-usage",
        `--user-data-dir=${folder}/profile`,
        `--window-size=${Math.max(width, 800)},1000`,
        `--blink-settings=preferredColorScheme=${dark ? 0 : 1}`,
        "--virtual-time-budget=20000",
        "--dump-dom",
        `file://${folder}/frame.html`,
      ],
      stdout: "piped",
      stderr: "piped",
    }).output();
    const text = new TextDecoder().decode(stdout);
    const match = /<script type="application\/json" id="seen">([^]*?)<\/script>/.exec(text);
    assert(match !== null, `the page did not load: ${new TextDecoder().decode(stderr)}`);
    return JSON.parse(match[1]!);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
