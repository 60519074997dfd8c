/** The frame of the page: which view is shown, by the part of the address after #, and the keys that work everywhere. */
import { AuditView } from "./audit.js";
import { Blotter } from "./blotter.js";
import { BookView } from "./book.js";
import { Chain } from "./chain.js";
import { Help } from "./help.js";
import { html } from "./html.js";
import { isTyping, move } from "./keyboard.js";
import { AccountView } from "./margin.js";
import { ReplayView } from "./replay.js";
import { SmileView } from "./smile.js";
import { View } from "./store.js";
import { isDark, toggleTheme } from "./theme.js";
import { Ticket } from "./ticket.js";

const PANES = [
  { name: "chain", title: "Chain" },
  { name: "ticket", title: "Ticket" },
  { name: "book", title: "Book" },
  { name: "blotter", title: "Orders" },
];

/** The views in the order of the bar; a digit is the key of each. Those of a `journal` need no venue. */
const VIEWS = [
  { name: "trade", title: "Trade", draw: (context) => html`<${Trade} context=${context} />` },
  { name: "vol", title: "Volatility", draw: (context) => html`<${SmileView} context=${context} />` },
  { name: "account", title: "Account", draw: (context) => html`<${AccountView} context=${context} />` },
  { name: "replay", title: "Replay", journal: true, draw: (context) => html`<${ReplayView} context=${context} />` },
  { name: "audit", title: "Audit", journal: true, draw: (context) => html`<${AuditView} context=${context} />` },
  { name: "help", title: "Keys", journal: true, draw: () => html`<${Help} />` },
];

export class App extends View {
  stores() {
    return [this.props.context.store];
  }

  begin() {
    this.keys = (event) => this.key(event);
    this.hash = () => this.props.context.store.set({ view: viewOf(location.hash) });
    addEventListener("keydown", this.keys);
    addEventListener("hashchange", this.hash);
    this.hash();
  }

  end() {
    removeEventListener("keydown", this.keys);
    removeEventListener("hashchange", this.hash);
  }

  /** What there is to see here. */
  views() {
    return VIEWS.filter((view) => view.journal || this.props.context.hasVenue);
  }

  key(event) {
    if (event.key === "Escape" && isTyping(event.target)) event.target.blur();
    if (isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const { context } = this.props;
    const views = this.views();
    const place = "12345678".indexOf(event.key);
    if (place >= 0 && place < views.length) location.hash = `#/${views[place].name}`;
    else if (event.key === "?") location.hash = "#/help";
    else if (event.key === "t") toggleTheme(() => this.setState({}));
    else if (event.key === "c") {
      location.hash = "#/trade";
      context.store.set({ pane: "chain" });
      context.focus(".chain [tabindex='0'][data-side]");
    } else if (event.key === "o") {
      location.hash = "#/trade";
      context.store.set({ pane: "blotter" });
      context.focus(".blotter [role=tab][tabindex='0']");
    } else if ((event.key === "b" || event.key === "s") && context.store.value.instrument) {
      location.hash = "#/trade";
      context.select(context.store.value.instrument, event.key === "b" ? "buy" : "sell", true);
    } else return;
    event.preventDefault();
  }

  render() {
    const { context } = this.props;
    const { view, link, notices } = context.store.value;
    const views = this.views();
    const shown = views.find((item) => item.name === view) ?? views[0];
    return html`<a class="skip" href="#main">To the content</a>
      <header class="top">
        <h1>Verbatim</h1>
        <nav aria-label="Views" onKeyDown=${(event) => move(event, "a")}>
          ${views.map((item) => html`<a key=${item.name} href="#/${item.name}" aria-current=${item === shown ? "page" : undefined}>${item.title}</a>`)}
        </nav>
        <span class="link ${link}" role="status" data-test="link">${context.hasVenue ? (link === "open" ? "live" : link) : "journal"}</span>
        <button class="plain" onClick=${() => toggleTheme(() => this.setState({}))} aria-label="Dark or light">${isDark() ? "☀" : "☾"}</button>
      </header>
      <main id="main" tabindex="-1" class="view-${shown.name}">${shown.draw(context)}</main>
      <div class="notices" role="log" aria-live="polite">
        ${notices.map((notice) => html`<p key=${notice.id} class=${notice.kind}>${notice.text} <button class="plain" aria-label="Dismiss" onClick=${() => context.dismiss(notice.id)}>×</button></p>`)}
      </div>`;
  }
}

/** The trading view. A narrow screen shows one of its panes at a time. */
class Trade extends View {
  stores() {
    return [this.props.context.store];
  }

  render() {
    const { context } = this.props;
    const { pane } = context.store.value;
    return html`<div class="panes" role="tablist" aria-label="Panes" onKeyDown=${(event) => move(event, "[role=tab]")}>
        ${PANES.map((item) => html`<button key=${item.name} role="tab" aria-selected=${pane === item.name ? "true" : "false"}
          tabindex=${pane === item.name ? 0 : -1} onClick=${() => context.store.set({ pane: item.name })}>${item.title}</button>`)}
      </div>
      <div class="trade" data-pane=${pane}>
        <div class="column"><div class="pane-chain"><${Chain} context=${context} /></div><div class="pane-blotter"><${Blotter} context=${context} /></div></div>
        <div class="column"><div class="pane-ticket"><${Ticket} context=${context} /></div><div class="pane-book"><${BookView} context=${context} /></div></div>
      </div>`;
  }
}

/** @param {string} hash */
function viewOf(hash) {
  return hash.replace(/^#\/?/, "").split("/")[0];
}
