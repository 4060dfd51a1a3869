/** A command that is looked at while it runs: --pcap, --qlog, --metrics and mptcp top. */

import { fileURLToPath } from "node:url";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Lab } from "../../cli/lab.ts";
import type { TopHost } from "../../cli/top_view.ts";
import { needs } from "../support/tools.ts";
import { Running } from "./support/running.ts";
import { until } from "./support/wait.ts";
import { RUN } from "../support/command.ts";

const CLI = fileURLToPath(new URL("../../cli/mod.ts", import.meta.url));
const SIZE = 6e6;
const METRICS = "127.0.0.1:9180";

function mptcp(...args: string[]): string[] {
  return [Deno.execPath(), ...RUN, CLI, ...args];
}

/** Records of a JSON text sequence (RFC 7464): each of them is whole. */
function readSequence(text: string): { readonly name?: string; readonly time?: number }[] {
  const records = text.split("\x1e");
  assertEquals(records.shift(), "");
  return records.map((record) => {
    assert(record.endsWith("\n"), record);
    return JSON.parse(record);
  });
}

needs("kernel", "python3", "curl", "mptcpize", "tshark").describe(
  "a command that is looked at",
  () => {
    needs("kernel", "python3", "curl", "mptcpize", "tshark").it(
      "leaves whole files that tshark reads, gives figures, and is shown by mptcp top",
      async () => {
        const folder = await Deno.makeTempDir({ prefix: "mptcp-observe-" });
        try {
          await Deno.writeFile(`${folder}/file`, new Uint8Array(SIZE));
          await using lab = await Lab.create({ rates: ["20 Mbit/s"] });
          const env = { MPTCP_RUN_DIR: `${folder}/run` };
          const [pcap, qlog] = [`${folder}/it.pcapng`, `${folder}/it.qlog`];
          const observe = ["--pcap", pcap, "--qlog", qlog, "--metrics", METRICS];
          const serve = new Running(
            lab.spawn(mptcp("serve", folder, ...observe), {
              env,
              stdin: "null",
              stdout: "piped",
              stderr: "piped",
            }),
          );
          await serve.until("Ctrl-C ends");
          const top = new Running(
            lab.spawn(mptcp("top", "--json", "--interval", "0.2"), {
              env,
              stdin: "null",
              stdout: "piped",
              stderr: "piped",
            }),
          );
          await until("mptcp top looks", () => top.records.length > 0);
          await lab.exec(
            ["mptcpize", "run", "curl", "-sS", "-o", "/dev/null", "http://10.77.1.2/file"],
          );
          await top.end();
          const samples = top.records.map(({ hosts }) => (hosts as TopHost[])[0]!);
          const sample = samples.find(({ connections: [conn] }) =>
            conn !== undefined && conn.paths.length >= 2 && conn.paths.every(({ up }) => up > 0)
          );
          assert(sample !== undefined, top.said);
          const { control, connections } = sample;
          assertMatch(control, /\/serve-\d+\.sock$/);
          assertEquals(Deno.statSync(control).mode! & 0o777, 0o600);
          const [{ paths, scheduler, fallback }] = connections as [TopHost["connections"][0]];
          assert(paths.every(({ rtt, cwnd }) => rtt > 0 && cwnd > 0), JSON.stringify(paths));
          assertEquals([scheduler, fallback], ["earliest", null]);
          const { stdout: figures } = await lab.exec(["curl", "-sS", `http://${METRICS}/metrics`]);
          const totals = [
            ...figures.matchAll(/^mptcp_path_sent_bytes_total\{path="mptcp\d"\} (\d+)$/gm),
          ];
          const sum = totals.reduce((sum, [, bytes]) => sum + Number(bytes), 0);
          assert(totals.length === 2 && sum >= SIZE && sum < 1.5 * SIZE, figures);
          await serve.end();

          const records = readSequence(await Deno.readTextFile(qlog));
          const names = new Set(records.map(({ name }) => name));
          for (const name of ["connection_opened", "segment_sent", "connection_closed"]) {
            assert(names.has(`mptcp:${name}`), [...names].join());
          }
          const { stdout } = await lab.exec([
            ...["tshark", "-r", pcap, "-o", "mptcp.relative_sequence_numbers:TRUE"],
            ...[
              "-o",
              "mptcp.analyze_mptcp:TRUE",
              "-o",
              "mptcp.analyze_mappings:TRUE",
              "-T",
              "fields",
              "-E",
              "separator=;",
            ],
            ...["-e", "frame.interface_name", "-e", "frame.packet_flags_direction"],
            ...["-e", "tcp.options.mptcp.recvkey", "-e", "mptcp.dsn", "-e", "mptcp.ack"],
            ...["-e", "frame.comment"],
          ]);
          const packets = stdout.trim().split("\n").map((line) => line.split(";"));
          // Wireshark knows the keys, so that data sequence numbers begin at 1: all bytes are in them, and acknowledged. Their upper halves are wrong where the
          // kernel has repeated its request, with a DATA_ACK of four octets, before the first of our data, as it does on a busy machine.
          const most = (column: number, direction: string): number =>
            Math.max(
              ...packets.filter(([, way]) => way === direction)
                .flatMap((each) =>
                  each[column]!.split(",").map((dsn) => Number(BigInt.asUintN(32, BigInt(dsn))))
                ),
            );
          const [sent, acked] = [most(3, "0x00000002"), most(4, "0x00000001")];
          // The last mapping begins up to a super-segment before the end.
          assert(sent > SIZE - 65536 && sent < SIZE + 1000, `data up to ${sent}`);
          assert(acked > SIZE && acked < SIZE + 1000, `acknowledged up to ${acked}`);
          assertEquals(new Set(packets.map(([name]) => name)), new Set(["mptcp0", "mptcp1"]));
          const comments = packets.map((each) => each[5]).filter((text) => text !== "");
          assertEquals(comments.length, 1);
          const ack = packets.find((each) => each[2] !== "")![2]!;
          // The third ACK has the server's key as the receiver's: 64 bits in decimal.
          const key = BigInt(ack.split(",")[0]!).toString(16).padStart(16, "0");
          assertMatch(comments[0]!, new RegExp(`key of 10\\.77\\.1\\.2:80 ${key}`));
        } finally {
          await Deno.remove(folder, { recursive: true });
        }
      },
    );
  },
);
