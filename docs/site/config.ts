/** The site, for VitePress. What stands here in place of the path of the site is put in when it is built. */

const pages: { api: { text: string; link: string }[] } = JSON.parse(
  Deno.readTextFileSync(new URL("pages.json", import.meta.url)),
);

const page = (text: string, name: string) => ({ text, link: `/${name}` });

/** What VitePress is told. */
export default {
  title: "mptcp",
  description: "Multipath TCP for Deno: one TCP connection over several paths, in user space",
  lang: "en",
  base: "/__BASE__/",
  lastUpdated: false,
  head: [["link", {
    rel: "icon",
    type: "image/svg+xml",
    href: "/__BASE__/icon.svg",
  }]],
  metaChunk: false,
  markdown: {
    theme: { light: "github-light", dark: "github-dark" },
    languageAlias: { svg: "xml" },
  },
  vite: { logLevel: "warn", build: { chunkSizeWarningLimit: 4000 } },
  themeConfig: {
    siteTitle: "mptcp",
    search: { provider: "local", options: { detailedView: false } },
    outline: [2, 3],
    docFooter: { prev: "Before", next: "Next" },
    nav: [
      page("First five minutes", "first_minutes"),
      page("Guides", "writing_plugins"),
      page("Reference", "api_mptcp"),
      page("Troubleshooting", "troubleshooting"),
    ],
    sidebar: [
      {
        text: "Begin",
        items: [
          page("First five minutes", "first_minutes"),
          page("Writing a plugin", "writing_plugins"),
          page("The playground", "playground"),
          page("A gateway in ten minutes", "gateway"),
          page("HTTP, TLS and Hono", "http"),
          page("Against Linux", "linux"),
          page("Over UDP, on any machine", "udp"),
        ],
      },
      {
        text: "Use",
        items: [
          page("Troubleshooting", "troubleshooting"),
          page("Watching it work", "watching"),
          page("Options of MPTCP", "mptcp"),
          page("Options of TCP", "tcp"),
          page("The emulator", "emulator"),
          page("Middleboxes", "middleboxes"),
        ],
      },
      {
        text: "Plugins",
        items: [
          page("Schedulers", "schedulers"),
          page("The default scheduler", "default_scheduler"),
          page("Congestion controls", "congestion_controls"),
          page("Path managers", "path_managers"),
          page("Ports of other interfaces", "ports"),
        ],
      },
      { text: "API", items: pages.api },
      {
        text: "Design and evidence",
        items: [
          page("Design", "design"),
          page("Decisions", "decisions"),
          page("The founding draft", "draft"),
          page("The draft in figures", "draft_experiments"),
          page("Published results", "papers"),
          page("Never slower", "promise"),
          page("With a Linux kernel", "interop"),
          page("Compliance", "compliance"),
        ],
      },
    ],
  },
};
