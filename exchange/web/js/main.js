/** Begins. */
import { App } from "./app.js";
import { Context } from "./context.js";
import { html, render } from "./html.js";
import { applyTheme } from "./theme.js";

applyTheme();
const context = new Context(await (await fetch("web/settings.json")).json());
const root = document.getElementById("app");
if (root === null) throw new Error("the page has no place for itself");
render(html`<${App} context=${context} />`, root);
context.start();
