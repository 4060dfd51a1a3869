/** Families of figures as text: OpenMetrics 1.0, or the older format of Prometheus where the reader asks for no better. */

/** One figure of a family. */
export interface Sample {
  /** What it is of. */
  readonly labels: Readonly<Record<string, string>>;
  /** The figure. */
  readonly value: number;
}

/** A family of figures. */
export interface Family {
  /** Its name, its unit at the end; without the `_total` of counters. */
  readonly name: string;
  /** Whether it only ever grows. */
  readonly type: "counter" | "gauge";
  /** A sentence. */
  readonly help: string;
  /** What it counts in; absent: things. */
  readonly unit?: string;
  /** Figures, of different labels. */
  readonly samples: readonly Sample[];
}

const OPEN_METRICS = "application/openmetrics-text";

/** In label values and help texts. */
function escape(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function labelled(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) =>
    `${name}="${escape(value).replaceAll('"', '\\"')}"`
  );
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

/** Text of `families`, in a format that `accept` (of the request) names, and its media type. */
export function exposition(
  families: readonly Family[],
  accept: string,
): { readonly type: string; readonly text: string } {
  const open = accept.includes(OPEN_METRICS);
  const lines = families.filter(({ samples }) => samples.length > 0).flatMap(
    ({ name, type, help, unit, samples }) => {
      const sampled = type === "counter" ? `${name}_total` : name;
      // The older format names a family as its samples are named, and knows no units.
      const family = open ? name : sampled;
      return [
        `# TYPE ${family} ${type}`,
        ...(open && unit !== undefined ? [`# UNIT ${family} ${unit}`] : []),
        `# HELP ${family} ${escape(help)}`,
        ...samples.map(({ labels, value }) => `${sampled}${labelled(labels)} ${value}`),
      ];
    },
  );
  return {
    type: open
      ? `${OPEN_METRICS}; version=1.0.0; charset=utf-8`
      : "text/plain; version=0.0.4; charset=utf-8",
    text: `${[...lines, ...(open ? ["# EOF"] : [])].join("\n")}\n`,
  };
}
