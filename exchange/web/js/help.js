/** The keys, in words. */
import { html } from "./html.js";
import { KEYS } from "./keyboard.js";

export function Help() {
  return html`<section class="panel help">
    <h2>Keys</h2>
    <dl>${KEYS.map(({ key, text }) => html`<dt><kbd>${key}</kbd></dt><dd>${text}</dd>`)}</dl>
    <p>Numbers on this page are the venue's own digits: prices are never put through a float. Times are UTC.</p>
  </section>`;
}
