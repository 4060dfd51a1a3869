/** Lines about what happens to paths while a command runs: one goes down, comes back, is reset, or a connection goes on as plain TCP. */

import type { Host, Micros, Probe } from "../mod.ts";
import { FALLBACK_WORDS, RESET_WORDS } from "./words.ts";

/** Microseconds in which the same line is said once. */
const AGAIN: Micros = 60e6;
/** Most lines and paths that are remembered. */
const MOST = 1024;
/** Most paths whose silence is measured: were one of those that are in use forgotten between two looks, its questions would never be counted. */
const MOST_MEASURED = 65536;
/** Milliseconds between two looks for paths that are silent. */
export const LOOK = 1000;
/** Most connections that one look is at: of thousands each has its turn. */
const MOST_LOOKED_AT = 64;
/** Silence of a path, while a connection on it hears the peer by another one, after which it is asked; and how recent that must be. */
const QUIET: Micros = 5e6;
const RECENT: Micros = 2e6;
/** Questions without an answer that show that it is down. */
const QUESTIONS = 3;

interface Path {
  /** From where to where. */
  readonly name: string;
  /** It has carried the connection. */
  joined: boolean;
  works: boolean;
  /** Questions found nothing: what is heard on it by another connection shows that it works for this one, too. */
  silent: boolean;
}

/** Forgets the oldest of too many: peers come and go, and not all that was said of them is ever taken back. */
function forget(remembered: Map<string, unknown> | Set<string>, most = MOST): void {
  for (const first of remembered.keys()) {
    if (remembered.size <= most) break;
    remembered.delete(first);
  }
}

/** What was heard on a path by any connection, and the questions since. */
interface Silence {
  heard: Micros;
  asked: Micros;
  questions: number;
}

/** Tells of the paths of one host. What has to do with single connections, which come and go, is told once in a while. */
export class PathLog implements Probe {
  readonly #host: Pick<Host, "askPath" | "living" | "now">;
  readonly #say: (line: string) => void;
  readonly #linkOf: (address: string) => string | undefined;
  readonly #connections = new Map<number, Map<number, Path>>();
  readonly #remotes = new Map<number, string>();
  /** Paths that are down, by name. */
  readonly #down = new Set<string>();
  readonly #silences = new Map<string, Silence>();
  /** The connection that was looked at last. */
  #looked = 0;
  /** When a line was said. */
  readonly #said = new Map<string, Micros>();

  /** @param linkOf The link of an address of the host. @param say Takes a line. */
  constructor(
    host: Pick<Host, "askPath" | "living" | "now">,
    linkOf: (address: string) => string | undefined,
    say: (line: string) => void,
  ) {
    this.#host = host;
    this.#linkOf = linkOf;
    this.#say = say;
  }

  connectionOpened(
    _now: Micros,
    id: number,
    _role: string,
    _token: number,
    _address: string,
    _port: number,
    remote: string,
  ): void {
    this.#connections.set(id, new Map());
    this.#remotes.set(id, remote);
  }

  connectionClosed(_now: Micros, id: number): void {
    this.#connections.delete(id);
    this.#remotes.delete(id);
  }

  subflowOpened(
    _now: Micros,
    id: number,
    path: number,
    _join: boolean,
    local: string,
    _port: number,
    remote: string,
  ): void {
    const link = this.#linkOf(local);
    const name = `${link === undefined ? local : `${link} (${local})`} to ${remote}`;
    this.#connections.get(id)?.set(path, { name, joined: false, works: true, silent: false });
  }

  subflowChanged(_now: Micros, id: number, index: number, change: string, reason: string | null) {
    const paths = this.#connections.get(id);
    const path = paths?.get(index);
    if (paths === undefined || path === undefined) return;
    if (change === "joined" || change === "revived") {
      path.joined = true;
      this.#comes(path);
    } else if (change === "stale") this.#fails(paths, path, "nothing comes back");
    else if (change === "left") {
      paths.delete(index);
      if (reason === "timeout") this.#fails(paths, path, "nothing comes back");
      if (reason === "unreachable") this.#fails(paths, path, "a router says that it ends there");
    }
  }

  subflowReset(
    now: Micros,
    id: number,
    index: number,
    by: "us" | "peer",
    reason: number,
  ): void {
    const path = this.#connections.get(id)?.get(index);
    // Ours of no particular reason, and those that refuse one connection, are everyday.
    if (path === undefined || !path.joined || reason === 0) return;
    const who = by === "us" ? "us" : "the peer";
    this.#seldom(now, `Path ${path.name} was reset by ${who}: ${RESET_WORDS[reason] ?? reason}`);
  }

  modeChanged(now: Micros, id: number, mode: string): void {
    if (mode === "mptcp") return;
    for (const { id: other, fallbackReason } of this.#host.living) {
      if (other !== id || fallbackReason === null || fallbackReason === "off") continue;
      const remote = this.#remotes.get(id);
      this.#seldom(now, `Plain TCP with ${remote}: ${FALLBACK_WORDS[fallbackReason]}`);
    }
  }

  /**
   * Looks for paths that have fallen silent, and asks on them: who only receives has nothing out whose timeouts would tell. To be called each
   * {@linkcode LOOK}.
   */
  look(): void {
    const { living, now } = this.#host;
    let looks = MOST_LOOKED_AT;
    for (const socket of living) {
      const { id } = socket;
      if (id <= this.#looked) continue;
      if (looks-- === 0) return;
      this.#looked = id;
      const paths = this.#connections.get(id);
      if (paths !== undefined && paths.size > 1 && !socket.fallback) {
        this.#lookAt(socket, paths, now);
      }
    }
    this.#looked = 0;
  }

  #lookAt(
    { id, attempts }: Host["living"] extends Iterable<infer Socket> ? Socket : never,
    paths: ReadonlyMap<number, Path>,
    now: Micros,
  ): void {
    let heard = -Infinity;
    for (const { lastAck } of attempts) heard = Math.max(heard, lastAck);
    for (const subflow of attempts) {
      const path = paths.get(subflow.path);
      // What is in flight has timeouts of its own; and backups are left asleep.
      if (path === undefined || !path.joined || !subflow.usable) continue;
      if (subflow.inFlight > 0 || subflow.backup) continue;
      const { name } = path;
      const silence = this.#silences.get(name) ?? { heard: -Infinity, asked: 0, questions: 0 };
      silence.heard = Math.max(silence.heard, subflow.lastAck);
      this.#silences.set(name, silence);
      forget(this.#silences, MOST_MEASURED);
      if (now - silence.heard < QUIET) {
        // Nothing else tells of one that was found so.
        path.silent = false;
        if (silence.questions >= QUESTIONS) this.#comes(path);
        silence.questions = 0;
        continue;
      }
      if (now - heard > RECENT || now - silence.asked < LOOK * 900) continue;
      if (silence.questions >= QUESTIONS) {
        path.silent = true;
        this.#tellDown(paths, path, "nothing comes back");
        if (now - silence.asked < QUIET) continue;
      }
      silence.asked = now;
      silence.questions++;
      this.#host.askPath(id, subflow.path);
    }
  }

  #comes(path: Path): void {
    path.works = true;
    path.silent = false;
    if (this.#down.delete(path.name)) this.#say(`Path ${path.name} is back`);
  }

  /** A path that fails while another of its connection works: where none does it is the peer that is gone. */
  #fails(paths: ReadonlyMap<number, Path>, path: Path, why: string): void {
    path.works = false;
    this.#tellDown(paths, path, why);
  }

  #tellDown(paths: ReadonlyMap<number, Path>, path: Path, why: string): void {
    const works = (each: Path): boolean => each.joined && each.works && !each.silent;
    const others = [...paths.values()].some((each) => each !== path && works(each));
    if (!path.joined || !others || this.#down.has(path.name)) return;
    this.#down.add(path.name);
    forget(this.#down);
    this.#say(`Path ${path.name} is down: ${why}`);
  }

  #seldom(now: Micros, line: string): void {
    const before = this.#said.get(line);
    if (before !== undefined && now - before < AGAIN) return;
    this.#said.delete(line);
    this.#said.set(line, now);
    forget(this.#said);
    this.#say(line);
  }
}
