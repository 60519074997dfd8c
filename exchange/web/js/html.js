/** Templates: htm over preact. Text in them is text: nothing the wire says becomes markup. */
import htm from "../vendor/htm/htm.module.js";
import { Component, Fragment, h, render } from "../vendor/preact/preact.mjs";

export const html = htm.bind(h);
export { Component, Fragment, render };
