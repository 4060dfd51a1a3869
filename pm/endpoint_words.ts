/** The words of `ip mptcp endpoint` and `ip mptcp limits`, for what has endpoints. */

import type { EndpointEntry, EndpointOptions, Endpoints } from "./endpoints.ts";

/** Flags of an endpoint, in the order in which `ip mptcp` shows them. */
export const FLAGS = ["signal", "subflow", "backup", "fullmesh", "laminar"] as const;

const USES = {
  endpoint:
    "add ADDRESS [dev NAME] [id ID] [port NR] FLAG…, delete id ID [ADDRESS], change [id ID] [ADDRESS] CHANGE…, show [id ID], flush",
  limits: "set [subflows NR] [add_addr_accepted NR], show",
} as const;

/** What the words behind `endpoint add` name. Throws TypeError. */
export function readEndpoint(words: readonly string[]): EndpointOptions {
  const [address = "", ...rest] = words;
  const options: Record<string, string | number | boolean> = { address };
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if ((FLAGS as readonly string[]).includes(word)) options[word] = true;
    else if ((word === "dev" || word === "id" || word === "port") && rest.length > 0) {
      const value = rest.shift()!;
      options[word] = word === "dev" ? value : Number(value);
    } else {
      throw new TypeError(
        `Cannot add endpoint "${words.join(" ")}" as '${word}' is none of ${
          FLAGS.join(", ")
        }, dev NAME, id NUMBER, port NUMBER`,
      );
    }
  }
  return options as unknown as EndpointOptions;
}

/** Words that come in pairs, `id 3`, and what is left of them. */
function takePairs(
  verb: string,
  words: readonly string[],
  names: readonly string[],
): { pairs: Record<string, number>; rest: string[] } {
  const pairs: Record<string, number> = {};
  const rest: string[] = [];
  const left = [...words];
  for (let word = left.shift(); word !== undefined; word = left.shift()) {
    if (!names.includes(word)) {
      rest.push(word);
      continue;
    }
    const value = left.shift();
    const number = Number(value);
    if (value === undefined || !/^\d+$/.test(value) || !Number.isSafeInteger(number)) {
      throw new TypeError(
        `Cannot ${verb} as '${word}' needs a number: it is ${
          value === undefined ? "missing" : `"${value}"`
        }`,
      );
    }
    pairs[word] = number;
  }
  return { pairs, rest };
}

function unexpected(verb: string, word: string, object: keyof typeof USES): never {
  throw new TypeError(
    `Cannot ${verb} as '${word}' is not expected there: the words are ${USES[object]}`,
  );
}

const CHANGES: Readonly<Record<string, { backup: boolean } | { fullmesh: boolean }>> = {
  backup: { backup: true },
  nobackup: { backup: false },
  fullmesh: { fullmesh: true },
  nofullmesh: { fullmesh: false },
};

/** The id of the endpoint that is meant by its id, or its address and port. */
function find(verb: string, endpoints: Endpoints, id?: number, address?: string, port = 0): number {
  if (id !== undefined) return id;
  if (address === undefined) {
    throw new TypeError(`Cannot ${verb} as it names neither id nor address`);
  }
  const found = endpoints.list().find((each) =>
    each.address === address && (port === 0 || each.port === port)
  );
  if (found === undefined) throw new RangeError(`Cannot ${verb} as no endpoint has ${address}`);
  return found.id;
}

function change(endpoints: Endpoints, words: readonly string[]): void {
  const { pairs, rest } = takePairs("change an endpoint", words, ["id", "port"]);
  let address: string | undefined;
  let changes: { backup?: boolean; fullmesh?: boolean } = {};
  for (const word of rest) {
    if (word in CHANGES) changes = { ...changes, ...CHANGES[word] };
    else if (address === undefined) address = word;
    else unexpected("change an endpoint", word, "endpoint");
  }
  const id = find("change an endpoint", endpoints, pairs["id"], address, pairs["port"]);
  if (Object.keys(changes).length === 0) {
    throw new TypeError(
      `Cannot change endpoint ${id} as it names none of ${Object.keys(CHANGES).join(", ")}`,
    );
  }
  endpoints.change(id, changes);
}

function show(endpoints: Endpoints, words: readonly string[]): readonly EndpointEntry[] {
  const { pairs, rest } = takePairs("show endpoints", words, ["id"]);
  if (rest.length > 0) unexpected("show endpoints", rest[0]!, "endpoint");
  const id = pairs["id"];
  const found = endpoints.list().filter((each) => id === undefined || each.id === id);
  if (id !== undefined && found.length === 0) {
    throw new RangeError(`Cannot show endpoint ${id} as there is none`);
  }
  return found;
}

function configureEndpoint(endpoints: Endpoints, verb: string, words: readonly string[]): unknown {
  switch (verb) {
    case "add":
      return { id: endpoints.add(readEndpoint(words)) };
    case "del":
    case "delete": {
      const { pairs, rest } = takePairs("delete an endpoint", words, ["id"]);
      const [address, more] = rest;
      if (more !== undefined) unexpected("delete an endpoint", more, "endpoint");
      endpoints.remove(find("delete an endpoint", endpoints, pairs["id"], address), address);
      return null;
    }
    case "change":
      return change(endpoints, words);
    case "show":
    case "list":
      return show(endpoints, words);
    case "flush":
      if (words.length > 0) unexpected("flush endpoints", words[0]!, "endpoint");
      return endpoints.flush();
    default:
      return unexpected("do that with endpoints", verb, "endpoint");
  }
}

function configureLimits(endpoints: Endpoints, verb: string, words: readonly string[]): unknown {
  const names = ["subflows", "add_addr_accepted"];
  const { pairs, rest } = takePairs("set limits", words, names);
  const [wrong] = verb === "set" ? rest : words;
  if (wrong !== undefined || (verb !== "set" && verb !== "show")) {
    return unexpected(`${verb} limits`, wrong ?? verb, "limits");
  }
  const { subflows, add_addr_accepted: addAddrAccepted } = pairs;
  if (verb === "set" && subflows === undefined && addAddrAccepted === undefined) {
    throw new TypeError(`Cannot set limits as none is named: the words are ${USES.limits}`);
  }
  const limits = endpoints.limits({
    ...(subflows !== undefined && { subflows }),
    ...(addAddrAccepted !== undefined && { addAddrAccepted }),
  });
  return { add_addr_accepted: limits.addAddrAccepted, subflows: limits.subflows };
}

/**
 * Does what the words behind `ip mptcp endpoint` or `ip mptcp limits` ask. Gives what they show: endpoints, the id of one that was added, limits under the
 * names of `ip mptcp`; null: nothing. Throws TypeError or RangeError.
 */
export function configure(
  endpoints: Endpoints,
  object: "endpoint" | "limits",
  words: readonly string[],
): unknown {
  const [verb = "show", ...rest] = words;
  const answer = object === "endpoint"
    ? configureEndpoint(endpoints, verb, rest)
    : configureLimits(endpoints, verb, rest);
  return answer ?? null;
}
