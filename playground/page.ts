/** The page: an editor, a network to change, and both runs to look at. */

import { Charts, type Curves } from "./charts.ts";
import { byId, colour, element, seconds } from "./dom.ts";
import { Editor } from "./editor.ts";
import { Lanes } from "./lanes.ts";
import { Player, SPEEDS } from "./player.ts";
import type { Fault, Shown, Side } from "./run.ts";
import { Runner } from "./runner.ts";
import {
  BUFFER_RANGE,
  DEFAULT_SETTINGS,
  isCut,
  NEW_PATHS,
  PATH_RANGES,
  type PathSettings,
  type Range,
  type Settings,
  toggled,
  type Workload,
  WORKLOADS,
} from "./settings.ts";
import { TEMPLATES } from "./templates.ts";
import { fromFragment, fromJson, toFragment, toJson, type Work } from "./work.ts";
import type { PluginKind } from "../core/net/load_plugin.ts";

const SIDES: readonly Side[] = ["yours", "default"];
/** Milliseconds without a change after which all is run again. */
const PAUSE = 250;
const OPTIONS: Readonly<Record<PluginKind, string>> = {
  scheduler: "--scheduler",
  "congestion-control": "--cc",
  "path-manager": "--pm",
};

let settings: Settings = DEFAULT_SETTINGS;
const runs: Partial<Record<Side, Shown>> = {};
const faults: Record<Side, readonly Fault[]> = { yours: [], default: [] };
/** The order that is shown is whole: both runs have come. */
let waiting = new Set<Side>();
let autoplay = true;

const lanes: Readonly<Record<Side, Lanes>> = {
  yours: new Lanes("yours"),
  default: new Lanes("the default"),
};
const player = new Player(draw, showPlayer);
const charts = new Charts(byId("charts"), (at) => player.seek(at));
const editor = new Editor(byId("editor"), runFromStart, () => edited = true);
let edited = false;
const runner = new Runner(byId("worker").textContent ?? "", {
  done: (side, shown, found) => finish(side, shown, found),
  wrong: (side, fault) => finish(side, null, [fault]),
});
const kind = byId<HTMLSelectElement>("kind");
const template = byId<HTMLSelectElement>("template");

/** What is on the page. */
function work(): Work {
  return { kind: kind.value as PluginKind, code: editor.code, settings };
}

function say(text: string): void {
  byId("status").textContent = text;
}

/** Runs all again; what is shown stays until that has come. */
function rerun(): void {
  waiting = new Set(SIDES);
  document.body.classList.add("running");
  say("Running …");
  runner.start(work());
}

/** Runs what was written, and plays it from its beginning. */
function runFromStart(): void {
  autoplay = true;
  rerun();
}

let timer: ReturnType<typeof setTimeout> | undefined;
function rerunSoon(): void {
  clearTimeout(timer);
  timer = setTimeout(rerun, PAUSE);
}

function finish(side: Side, shown: Shown | null, found: readonly Fault[]): void {
  faults[side] = found;
  if (shown === null) delete runs[side];
  else runs[side] = shown;
  waiting.delete(side);
  if (waiting.size === 0) showRuns();
}

/** "round_robin, lia, full mesh". */
function policiesOf({ result: { policies } }: Shown): string {
  return [policies.scheduler, policies.congestionControl, policies.pathManager].join(", ");
}

/** The figure of a run, in words, and in microseconds. */
function figureOf({ result }: Shown): { readonly text: string; readonly value: number } {
  const [figures] = Object.values(result.traffic);
  const { delays, end, start, late, done } = figures!;
  if (settings.workload === "requests" && delays) {
    return { text: `an answer took ${seconds(delays.p50)}`, value: delays.p50 };
  }
  if (settings.workload === "frames" && delays) {
    const share = `${(100 * (late ?? 0) / 150).toFixed(0)} % late`;
    return { text: `a frame took ${seconds(delays.p50)}, ${share}`, value: delays.p50 };
  }
  if (!done) return { text: "not done after 60 s", value: Infinity };
  return { text: `done after ${seconds(end - start)}`, value: end - start };
}

function showRuns(): void {
  document.body.classList.remove("running");
  const { yours, default: normal } = runs;
  const end = Math.max(yours?.result.time ?? 0, normal?.result.time ?? 0);
  const curves: Curves[] = [];
  for (const side of SIDES) {
    const run = runs[side];
    lanes[side].show(run === undefined ? null : { packets: run.packets, settings });
    byId(`name-${side}`).textContent = run === undefined ? "" : policiesOf(run);
    byId(`figure-${side}`).textContent = run === undefined ? "not run" : figureOf(run).text;
    if (run !== undefined) {
      const name = side === "yours" ? "Yours" : "Default";
      curves.push({ side, name: `${name}: ${policiesOf(run)}`, series: run.series });
    }
  }
  charts.show(curves, settings.paths.map(({ name }) => name), end);
  showFaults();
  let verdict = `Not run: ${faults.yours[0]?.text ?? ""}`;
  if (yours && normal) {
    const ratio = figureOf(normal).value / figureOf(yours).value;
    const words = !Number.isFinite(ratio) || Math.abs(ratio - 1) < 0.005
      ? "as fast as the default"
      : ratio > 1
      ? `${((ratio - 1) * 100).toFixed(0)} % faster than the default`
      : `${((1 / ratio - 1) * 100).toFixed(0)} % slower than the default`;
    verdict = `Yours: ${figureOf(yours).text}; the default: ${
      figureOf(normal).text
    }. Yours is ${words}.`;
  }
  say(verdict);
  player.load(end);
  if (autoplay && end > 0) {
    player.seek(0);
    player.play();
  }
  autoplay = false;
  document.body.dataset.ready = String(Number(document.body.dataset.ready ?? 0) + 1);
}

function showFaults(): void {
  const all = SIDES.flatMap((side) => faults[side]);
  editor.mark(faults.yours.filter(({ line }) => line !== null));
  byId("faults").replaceChildren(...all.map(({ text, line }) => {
    const words = line === null ? text : `Line ${line}: ${text}`;
    if (line === null) return element("li", {}, words);
    const button = element("button", { type: "button", onclick: () => editor.goTo(line) }, words);
    return element("li", {}, button);
  }));
  byId("trouble").hidden = all.length === 0;
}

function draw(at: number): void {
  for (const side of SIDES) lanes[side].draw(at, player.speed);
  charts.mark(at);
  const slider = byId<HTMLInputElement>("time");
  slider.max = String(Math.round(player.end / 1000));
  slider.value = String(Math.round(at / 1000));
  slider.setAttribute("aria-valuetext", seconds(at));
  byId("clock").textContent = `${seconds(at)} of ${seconds(player.end)}`;
  for (const button of document.querySelectorAll<HTMLButtonElement>("button[data-cut]")) {
    const path = button.dataset.cut!;
    const cut = isCut(settings.events, path, at / 1000);
    button.setAttribute("aria-pressed", String(cut));
    button.textContent = cut ? `Restore ${path}` : `Cut ${path}`;
  }
}

function showPlayer(): void {
  const button = byId("play");
  button.textContent = player.playing ? "Pause" : "Play";
  button.setAttribute("aria-pressed", String(player.playing));
}

/** To the next packet that is sent, comes, or is lost in either network, or back to the one before. */
function step(forward: boolean): void {
  player.pause();
  let best = forward ? player.end : 0;
  for (const side of SIDES) {
    const packets = runs[side]?.packets;
    if (packets === undefined) continue;
    for (const times of [packets.sent, packets.over]) {
      for (let i = 0; i < packets.count; i++) {
        const time = times[i]!;
        if (forward ? time > player.at && time < best : time < player.at && time > best) {
          best = time;
        }
      }
    }
  }
  player.seek(best);
}

/** Changes the network: all is run again. */
function change(next: Settings, controls = false): void {
  settings = next;
  if (controls) showControls();
  rerunSoon();
}

/** Cuts a path at the time that is shown, or restores it; what is before stays as it was. */
function toggle(path: string): void {
  const at = Math.round(player.at) / 1000;
  change(toggled(settings, path, at), true);
}

/** A slider, with a field for the exact value. */
function slider(
  range: Range,
  label: string,
  value: number,
  set: (value: number) => void,
): HTMLElement {
  const { least, most, step, unit, log = false, none = unit } = range;
  const toSlider = (x: number): number =>
    log ? Math.log(x / least) / Math.log(most / least) * 1000 : x;
  const fromSlider = (x: number): number => {
    const exact = log ? least * (most / least) ** (x / 1000) : x;
    return Number(Math.min(most, Math.max(least, Math.round(exact / step) * step)).toPrecision(4));
  };
  const field = element("input", {
    type: "number",
    min: String(least),
    max: String(most),
    step: "any",
    value: String(value),
  });
  const bar = element("input", {
    type: "range",
    min: log ? "0" : String(least),
    max: log ? "1000" : String(most),
    step: log ? "1" : String(step),
    value: String(toSlider(value)),
  });
  const behind = element("span");
  const tell = (shown: number): void => {
    behind.textContent = shown === 0 ? none : unit;
    bar.setAttribute("aria-valuetext", `${shown} ${behind.textContent}`);
  };
  tell(value);
  bar.setAttribute("aria-label", `${label}, ${unit}`);
  field.setAttribute("aria-label", `${label}, ${unit}`);
  bar.oninput = () => {
    const next = fromSlider(Number(bar.value));
    field.value = String(next);
    tell(next);
    set(next);
  };
  field.onchange = () => {
    const next = Number(field.value);
    if (!(next >= least && next <= most) || field.value === "") {
      field.setCustomValidity(`from ${least} to ${most} ${unit}`);
      field.reportValidity();
      return;
    }
    field.setCustomValidity("");
    bar.value = String(toSlider(next));
    tell(next);
    set(next);
  };
  const name = element("span", { className: "label" }, range.label);
  return element("div", { className: "slider" }, name, bar, field, behind);
}

function showControls(): void {
  const paths = settings.paths.map((path, i) => {
    const set = (key: keyof typeof PATH_RANGES) => (value: number): void => {
      const changed = settings.paths.map((one, at): PathSettings =>
        at === i ? { ...one, [key]: value } : one
      );
      change({ ...settings, paths: changed });
    };
    const cut = element("button", { type: "button", onclick: () => toggle(path.name) });
    cut.dataset.cut = path.name;
    cut.title = `At the time that is shown (key ${i + 1})`;
    const head = element("div", { className: "path-head" }, element("h3", {}, path.name), cut);
    if (settings.paths.length > 1) {
      const remove = element("button", { type: "button", className: "quiet" }, "Remove");
      remove.setAttribute("aria-label", `Remove ${path.name}`);
      remove.onclick = () => {
        const others = settings.paths.filter((one) => one !== settings.paths[i]);
        const events = settings.events.filter((event) => event.path !== path.name);
        change({ ...settings, paths: others, events }, true);
      };
      head.append(remove);
    }
    const box = element("fieldset", { className: "path" }, head);
    box.style.setProperty("--path", `var(--path${i % 4})`);
    box.setAttribute("aria-label", `The path ${path.name}`);
    for (const key of ["rate", "delay", "loss", "queue"] as const) {
      box.append(
        slider(PATH_RANGES[key], `${path.name}: ${PATH_RANGES[key].label}`, path[key], set(key)),
      );
    }
    return box;
  });
  byId("paths").replaceChildren(...paths);
  const more = NEW_PATHS.find(({ name }) => !settings.paths.some((path) => path.name === name));
  const add = byId<HTMLButtonElement>("add");
  add.hidden = more === undefined;
  add.textContent = `Add ${more?.name}`;
  add.onclick = () => change({ ...settings, paths: [...settings.paths, more!] }, true);
  const workload = element("select", {
    onchange: () => change({ ...settings, workload: workload.value as Workload }),
  }, ...WORKLOADS.map(([name, text]) => element("option", { value: name }, text)));
  workload.value = settings.workload;
  const seed = element("input", { type: "number", min: "1", max: "4294967295", step: "1" });
  seed.value = String(settings.seed);
  seed.onchange = () => {
    if (seed.reportValidity()) change({ ...settings, seed: Number(seed.value) });
  };
  const buffer = slider(BUFFER_RANGE, BUFFER_RANGE.label, settings.buffer, (value) => {
    change({ ...settings, buffer: value });
  });
  buffer.title = "0: as large as it needs to be";
  byId("common").replaceChildren(
    element("label", {}, element("span", { className: "label" }, "Traffic"), workload),
    buffer,
    element("label", {}, element("span", { className: "label" }, "Seed"), seed),
  );
  const events = settings.events.map((event) => {
    const remove = element("button", { type: "button", className: "quiet" }, "Remove");
    const words = `${seconds(event.at * 1000)}: ${event.path} is ${
      event.do === "cut" ? "cut" : "restored"
    }`;
    remove.setAttribute("aria-label", `Remove: ${words}`);
    remove.onclick = () => {
      change({ ...settings, events: settings.events.filter((one) => one !== event) }, true);
    };
    return element("li", {}, `${words} `, remove);
  });
  byId("events").replaceChildren(...events);
  for (const side of SIDES) lanes[side].canvas.style.height = "";
}

/** Puts a work on the page, and runs it. */
function show(next: Work): void {
  settings = next.settings;
  kind.value = next.kind;
  showTemplates();
  editor.code = next.code;
  edited = false;
  showControls();
  showCommand();
  rerun();
}

function showTemplates(): void {
  const own = TEMPLATES.filter((one) => one.kind === kind.value);
  template.replaceChildren(...own.map(({ name }) => element("option", {}, name)));
}

function showCommand(): void {
  byId("command").textContent = `deno task mptcp demo ${
    OPTIONS[kind.value as PluginKind]
  } ./plugin.ts`;
}

function useTemplate(name?: string): void {
  const found = TEMPLATES.find((one) =>
    one.kind === kind.value && (name === undefined || one.name === name)
  )!;
  if (edited && !confirm(`Replace the text by the example "${found.name}"?`)) return;
  editor.code = found.code;
  edited = false;
  showCommand();
  rerun();
}

function save(name: string, text: string, type: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

kind.onchange = () => {
  showTemplates();
  useTemplate();
};
template.onchange = () => useTemplate(template.value);
byId("run").onclick = runFromStart;
byId("play").onclick = () => player.playing ? player.pause() : player.play();
byId("back").onclick = () => step(false);
byId("forward").onclick = () => step(true);
byId<HTMLInputElement>("time").oninput = ({ target }) => {
  player.seek(Number((target as HTMLInputElement).value) * 1000);
};
const speed = byId<HTMLSelectElement>("speed");
speed.append(...SPEEDS.map((each) => element("option", { value: String(each) }, `${each} ×`)));
speed.value = String(player.speed);
speed.onchange = () => {
  player.speed = Number(speed.value);
  draw(player.at);
};
for (const side of SIDES) {
  const { canvas } = lanes[side];
  byId(`lanes-${side}`).append(canvas);
  canvas.title = "A click cuts a path now, or restores it";
  canvas.onclick = ({ offsetY }) => {
    const path = lanes[side].pathAt(offsetY);
    if (path !== null) toggle(path);
  };
}
byId("share").onclick = async () => {
  location.hash = await toFragment(work());
  try {
    await navigator.clipboard.writeText(location.href);
    say("The address was copied: it holds the text and the network.");
  } catch {
    say("The address of this page holds the text and the network now: copy it.");
  }
};
byId("save").onclick = () => save("playground.json", toJson(work()), "application/json");
byId("save-plugin").onclick = () => save("plugin.ts", editor.code, "text/typescript");
const file = byId<HTMLInputElement>("file");
byId("load").onclick = () => file.click();
file.onchange = async () => {
  const [chosen] = file.files ?? [];
  if (chosen === undefined) return;
  try {
    show(fromJson(await chosen.text()));
  } catch (error) {
    say(`${chosen.name} cannot be loaded: ${(error as Error).message}`);
  }
  file.value = "";
};
document.addEventListener("keydown", (event) => {
  const target = event.target as HTMLElement;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (target.closest(".cm-editor, input, select, textarea")) return;
  if (event.key === " " && target.tagName !== "BUTTON") {
    if (player.playing) player.pause();
    else player.play();
  } else if (event.key === ".") step(true);
  else if (event.key === ",") step(false);
  else if (/^[1-4]$/.test(event.key)) {
    const path = settings.paths[Number(event.key) - 1];
    if (path === undefined) return;
    toggle(path.name);
  } else return;
  event.preventDefault();
});
addEventListener("resize", () => draw(player.at));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(player.at));
/** An address that was pasted over this page's. */
addEventListener("hashchange", () => void open(location.hash));

async function open(fragment: string): Promise<boolean> {
  try {
    const found = await fromFragment(fragment);
    if (found === null) return false;
    if (toJson(found) !== toJson(work())) show(found);
    return true;
  } catch (error) {
    say(`The address cannot be read: ${(error as Error).message}`);
    return false;
  }
}

showTemplates();
if (!await open(location.hash)) {
  const [first] = TEMPLATES;
  show({ kind: first!.kind, code: first!.code, settings: DEFAULT_SETTINGS });
}
// Canvases have the colours of the style sheet, which is there now.
if (colour("text") === "") throw new Error("the style sheet is missing");
