/** Writes what happens in a host's stack as JSON text sequences (RFC 7464), in the shape of qlog (draft-ietf-quic-qlog-main-schema). */

import type { Micros } from "../core/plugin.ts";
import type { Probe } from "../core/subflow/probe.ts";
import { VERSION } from "./version.ts";

/** What the arguments of each event are called, after the time. */
const EVENTS: Readonly<Record<keyof Probe, readonly string[]>> = {
  connectionOpened: [
    "connection",
    "role",
    "token",
    "local_address",
    "local_port",
    "remote_address",
    "remote_port",
  ],
  connectionClosed: ["connection", "code", "reason"],
  modeChanged: ["connection", "mode"],
  dataAcked: ["connection", "dsn", "window_end"],
  dataFin: ["connection", "by", "dsn"],
  addressChanged: ["connection", "change", "id", "address", "port"],
  subflowOpened: [
    "connection",
    "path",
    "join",
    "local_address",
    "local_port",
    "remote_address",
    "remote_port",
    "local_id",
    "remote_id",
  ],
  subflowChanged: ["connection", "path", "change", "reason"],
  priorityAsked: ["connection", "path", "by", "backup"],
  listenerChanged: ["change", "address", "port"],
  subflowReset: ["connection", "path", "by", "reason", "transient"],
  stateChanged: ["connection", "path", "from", "to"],
  segmentSent: ["connection", "path", "seq", "length", "flags", "ack", "window", "dsn", "segment"],
  segmentRetransmitted: ["connection", "path", "from", "to", "times"],
  segmentReceived: [
    "connection",
    "path",
    "seq",
    "length",
    "flags",
    "ack",
    "window",
    "dsn",
    "sacks",
  ],
  segmentLost: ["connection", "path", "from", "to", "why"],
  rttSampled: ["connection", "path", "rtt_us", "srtt_us", "rtt_var_us", "rto_us"],
  windowChanged: ["connection", "path", "cwnd", "ssthresh", "in_flight"],
  recoveryChanged: ["connection", "path", "state", "until"],
  timedOut: ["connection", "path", "timeouts", "rto_us"],
};

function snake(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** One record: RFC 7464 §2.2. */
function record(value: unknown): string {
  return `\x1e${JSON.stringify(value)}\n`;
}

/** A log of one host. `write` gets its text, piece by piece. */
export class EventLog {
  /** What the host is to be watched by. */
  readonly probe: Probe;

  /** Writes the header. `began`: when its clock was 0, where that is no virtual time. */
  constructor(host: string, title: string, write: (text: string) => void, began?: Date) {
    write(record({
      file_schema: "urn:ietf:params:qlog:file:sequential",
      serialization_format: "application/qlog+json-seq",
      title,
      trace: {
        common_fields: {
          time_format: "relative_to_epoch",
          reference_time: {
            clock_type: "monotonic",
            epoch: "unknown",
            ...(began && { wall_clock_time: began.toISOString() }),
          },
        },
        vantage_point: { name: host, type: "unknown" },
        event_schemas: [`urn:mptcp:events:${VERSION}`],
      },
    }));
    this.probe = Object.fromEntries(
      Object.entries(EVENTS).map(([name, members]) => {
        const event = `mptcp:${snake(name)}`;
        return [name, (now: Micros, ...values: unknown[]) => {
          const data: Record<string, unknown> = {};
          members.forEach((member, i) => data[member] = plain(values[i]));
          // qlog counts in milliseconds.
          write(record({ time: now / 1000, name: event, data }));
        }];
      }),
    ) as Probe;
  }
}

/** A value as JSON has it: no threshold yet is none. */
function plain(value: unknown): unknown {
  return value === Infinity ? null : value;
}
