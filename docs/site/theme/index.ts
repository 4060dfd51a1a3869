/** VitePress's own theme, with a few rules more. */

// @ts-ignore: found where the site is built.
import theme from "vitepress/theme";
import "./site.css";

export default theme;
