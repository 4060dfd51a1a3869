/** The JSON schema of scenario files: what editors complete by, and what `mptcp sim` checks files against. Published as docs/scenario.schema.json. */

/** A JSON schema, or a part of one. */
export type Schema = Readonly<Record<string, unknown>>;

const NUMBER = String.raw`(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?`;
const RATE: Schema = {
  type: "string",
  pattern: `^${NUMBER} (bit|kbit|Mbit|Gbit)/s$`,
  description: "a number, a space and one of bit/s, kbit/s, Mbit/s, Gbit/s, such as 20 Mbit/s",
};
const TIME: Schema = {
  type: "string",
  pattern: `^${NUMBER} (us|ms|s)$`,
  description: "a number, a space and one of us, ms, s, such as 15 ms",
};
const SIZE: Schema = {
  type: ["integer", "string"],
  minimum: 1,
  pattern: String.raw`^\d+(\.\d+)? (B|kB|MB|GB)$`,
  description: "a number of bytes, or a number, a space and one of B, kB, MB, GB, such as 16 MB",
};
const SHARE: Schema = {
  type: "number",
  minimum: 0,
  maximum: 1,
  description: "a number from 0 to 1",
};
const COUNT: Schema = { type: "integer", minimum: 1, description: "a whole number from 1" };
const NAME: Schema = { type: "string", minLength: 1, description: "a name" };
const FLAG: Schema = { type: "boolean", description: "true or false" };
const POSITIVE: Schema = { type: "number", exclusiveMinimum: 0, description: "a number above 0" };

function oneOf(...values: readonly (string | number)[]): Schema {
  return { enum: values, description: `one of ${values.join(", ")}` };
}

function list(items: Schema, most?: Schema): Schema {
  return { type: "array", items, ...most };
}

function object(
  properties: Readonly<Record<string, Schema>>,
  required: readonly string[] = [],
  description = "an object",
): Schema {
  return { type: "object", properties, required, additionalProperties: false, description };
}

function record(values: Schema, description: string): Schema {
  return { type: "object", additionalProperties: values, description };
}

const LENGTH = {
  packets: COUNT,
  bytes: COUNT,
  ms: { type: "number", minimum: 0, description: "a number from 0" },
};
const QUEUE: Schema = {
  type: ["integer", "object"],
  minimum: 1,
  properties: {
    ...LENGTH,
    mark: {
      type: ["integer", "object"],
      minimum: 1,
      properties: LENGTH,
      additionalProperties: false,
      description: "a number of packets from 1, or packets, bytes, ms",
    },
  },
  additionalProperties: false,
  description: "a number of packets from 1, or an object of packets, bytes, ms, mark",
};

const SHAPE: Readonly<Record<string, Schema>> = {
  rate: RATE,
  schedule: list(object({ at: TIME, rate: RATE }, ["at", "rate"]), {
    description: "a list of at and rate",
  }),
  scheduleEvery: TIME,
  trace: {
    type: ["array", "string"],
    items: { type: "number", minimum: 0 },
    description: "a list of milliseconds, or a file of Mahimahi's",
  },
  delay: TIME,
  loss: SHARE,
  queue: QUEUE,
  red: object({
    min: { type: "number", minimum: 0, description: "a number of packets from 0" },
    max: POSITIVE,
    probability: SHARE,
    weight: SHARE,
    gentle: FLAG,
    even: FLAG,
    limit: COUNT,
    ecn: FLAG,
  }, ["min", "max"]),
  codel: object({ target: TIME, interval: TIME, limit: COUNT, ecn: FLAG }),
  jitter: TIME,
  reorder: object({ probability: SHARE, by: TIME }, ["probability", "by"]),
  duplicate: SHARE,
  corrupt: SHARE,
  mark: SHARE,
  gilbertElliott: object({ toBad: SHARE, toGood: SHARE, lossGood: SHARE, lossBad: SHARE }, [
    "toBad",
    "toGood",
  ]),
  lossMask: { type: "string", pattern: "^[.x ]+$", description: "a text of . and x, such as ..x." },
};

const CHANGE = { rate: RATE, delay: TIME, loss: SHARE, queue: QUEUE };
const DIRECTION = oneOf("forward", "backward");

const EVENT = {
  discriminator: { propertyName: "do" },
  required: ["do"],
  oneOf: [
    object({ at: TIME, do: oneOf("cut", "restore"), link: NAME, direction: DIRECTION }, [
      "at",
      "do",
      "link",
    ]),
    object({ at: TIME, do: { const: "set" }, link: NAME, direction: DIRECTION, ...CHANGE }, [
      "at",
      "do",
      "link",
    ]),
    object({ at: TIME, do: oneOf("down", "up"), host: NAME, link: NAME }, [
      "at",
      "do",
      "host",
      "link",
    ]),
    object({
      at: TIME,
      do: oneOf("add-address", "remove-address"),
      host: NAME,
      link: NAME,
      address: { type: "string", description: "an address, such as 10.0.0.9/24" },
    }, ["at", "do", "host", "link", "address"]),
  ],
};

const SPREAD = oneOf("fixed", "uniform", "exponential");
const WAY = oneOf("down", "up");

function traffic(
  kind: string | readonly string[],
  own: Readonly<Record<string, Schema>>,
  required: readonly string[],
): Schema {
  return object(
    {
      kind: typeof kind === "string" ? { const: kind } : oneOf(...kind),
      client: NAME,
      server: NAME,
      start: TIME,
      ...kind === "cbr" ? {} : { hint: { type: "number", description: "a number" } },
      ...own,
    },
    ["kind", "client", "server", ...required],
  );
}

const TRAFFIC = {
  discriminator: { propertyName: "kind" },
  required: ["kind"],
  oneOf: [
    traffic(
      "bulk",
      { bytes: SIZE, direction: oneOf("down", "up", "both"), connections: COUNT },
      [],
    ),
    traffic("on-off", { on: TIME, off: TIME, spread: SPREAD, direction: WAY }, ["on", "off"]),
    traffic("requests", {
      bytes: SIZE,
      request: SIZE,
      count: COUNT,
      every: TIME,
      think: TIME,
      connection: oneOf("kept", "fresh"),
    }, ["bytes"]),
    traffic(["messages", "stream"], {
      bytes: SIZE,
      every: TIME,
      spread: SPREAD,
      count: COUNT,
      deadline: TIME,
      direction: WAY,
    }, ["bytes", "every"]),
    traffic("pages", {
      document: SIZE,
      objects: list(SIZE, { minItems: 1, description: "a list of sizes, such as [40 kB, 10 kB]" }),
      connections: COUNT,
      count: COUNT,
      think: TIME,
    }, ["objects"]),
    traffic("video", {
      bitrates: list(RATE, {
        minItems: 1,
        description: "a list of rates, such as [1 Mbit/s, 3 Mbit/s]",
      }),
      chunk: TIME,
      buffer: TIME,
      count: COUNT,
    }, ["bitrates"]),
    traffic("cbr", {
      rate: RATE,
      packet: COUNT,
      on: TIME,
      off: TIME,
      spread: SPREAD,
      direction: WAY,
    }, ["rate"]),
  ],
};

/**
 * The schema.
 *
 * @example
 * ```ts
 * import { SCENARIO_SCHEMA } from "@mptcp/mptcp/sim";
 * import { assertEquals } from "@std/assert";
 *
 * // An editor completes a scenario file by it.
 * const text = JSON.stringify(SCENARIO_SCHEMA, null, 2);
 * assertEquals(JSON.parse(text).title, "A scenario of mptcp sim");
 * ```
 */
export const SCENARIO_SCHEMA: Schema = {
  $schema: "http://json-schema.org/draft-07/schema#",
  title: "A scenario of mptcp sim",
  ...object({
    $schema: { type: "string" },
    name: NAME,
    about: { type: "string" },
    seed: { type: "integer", description: "a whole number" },
    duration: TIME,
    family: oneOf(4, 6),
    hosts: record(
      object({
        scheduler: NAME,
        congestionControl: NAME,
        pathManager: NAME,
        tcp: { type: "object", description: "an object of options of TCP, as in docs/tcp.md" },
        mptcp: {
          type: ["boolean", "object"],
          description: "true, false or options, as in docs/mptcp.md",
        },
        experiments: { type: "object", description: "an object of fixed buffers and the like" },
      }),
      "an object of hosts by name",
    ),
    routers: list(NAME, { description: "a list of names" }),
    links: record(
      object({
        between: list(NAME, {
          minItems: 2,
          maxItems: 2,
          description: "the names of two hosts or routers",
        }),
        ...SHAPE,
        forward: object(SHAPE),
        backward: object(SHAPE),
        mtu: {
          type: "integer",
          minimum: 576,
          maximum: 65535,
          description: "a whole number from 576 to 65535",
        },
        maxSegments: COUNT,
        checksums: FLAG,
        profile: { type: "string", description: "a CSV file of time_s,rate_mbit,delay_ms,loss" },
      }, ["between"]),
      "an object of links by name",
    ),
    minitopo: { type: "string", description: "a file of minitopo's topologies" },
    dumbbell: object({ pairs: COUNT, bottleneck: object(SHAPE), access: object(SHAPE) }, [
      "pairs",
      "bottleneck",
    ]),
    fatTree: object({ k: COUNT, links: object(SHAPE) }, ["k", "links"]),
    routes: list(
      object({
        at: NAME,
        to: NAME,
        over: NAME,
        dscp: {
          type: "integer",
          minimum: 0,
          maximum: 63,
          description: "a whole number from 0 to 63",
        },
      }, ["at", "to", "over"]),
      { description: "a list of routes" },
    ),
    events: list(EVENT, { description: "a list of events" }),
    traffic: record(TRAFFIC, "an object of traffic by name"),
  }, ["traffic"]),
};
