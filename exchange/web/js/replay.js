/** Replay: the venue as it stood after any record. Scrub, step, and see a book and an account's margin then. */
import { money, rounded, textOf, PRICE_PLACES, QTY_PLACES } from "./decimal.js";
import { html } from "./html.js";
import { View } from "./store.js";

const SETTLE_MS = 60;

export class ReplayView extends View {
  constructor(props) {
    super(props);
    this.state = { seq: 0, last: 0, root: "", series: "", account: "", told: null, record: null, walking: "", error: "" };
    this.asked = 0;
  }

  begin() {
    this.refresh(true);
  }

  end() {
    this.asked += 1;
    clearTimeout(this.timer);
  }

  /** How far the journal goes now. @param {boolean} toEnd */
  async refresh(toEnd) {
    const { archive } = this.props.context;
    if (!archive.exists) return;
    try {
      const head = await archive.ask("head");
      const last = Number(head.seq);
      this.setState({ last, root: head.root, error: "" }, () => toEnd && this.go(last));
    } catch (error) {
      this.setState({ error: error.message });
    }
  }

  /** @param {number} seq */
  go(seq) {
    const wanted = Math.min(Math.max(Math.trunc(seq) || 0, 0), this.state.last);
    this.setState({ seq: wanted });
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.look(), SETTLE_MS);
  }

  /** Ask for the moment on the line; whoever asks again is answered instead. */
  async look() {
    const { archive } = this.props.context;
    this.asked += 1;
    const mine = this.asked;
    const { seq, series, account } = this.state;
    const query = { seq: String(seq), ...(series ? { series } : {}), ...(account ? { account } : {}) };
    try {
      const told = await archive.at(query, (at) => {
        this.setState({ walking: at });
        return mine === this.asked;
      });
      const record = seq > 0 ? await archive.ask("record", { seq: String(seq) }) : null;
      if (told !== null && mine === this.asked) this.setState({ told, record, walking: "", error: "" });
    } catch (error) {
      if (mine === this.asked) this.setState({ error: error.message, walking: "" });
    }
  }

  choose(patch) {
    this.setState(patch, () => this.look());
  }

  render() {
    const { archive } = this.props.context;
    if (!archive.exists) return html`<section class="panel"><h2>Replay</h2><p>This venue names no replay server. Its operator starts one with <code>verbatim-replay serve JOURNAL --origin ${location.origin}</code> and names it to the venue with <code>--replay URL</code>.</p></section>`;
    const { seq, last, told, record, walking, error } = this.state;
    return html`<div class="stack"><section class="panel replay" aria-label="Replay">
      <div class="bar"><h2>Record</h2>
        <button aria-label="To the first record" onClick=${() => this.go(1)}>⇤</button>
        <button aria-label="Back one record" data-test="back" onClick=${() => this.go(seq - 1)}>←</button>
        <input class="seq" aria-label="Record" inputmode="numeric" data-test="seq" value=${seq} onChange=${(event) => this.go(Number(event.target.value))} />
        <button aria-label="On one record" data-test="on" onClick=${() => this.go(seq + 1)}>→</button>
        <button aria-label="To the last record" onClick=${() => this.refresh(true)}>⇥</button>
        <span class="faint">of ${last}</span>
        <span data-test="then">${told ? told.time.slice(0, 23).replace("T", " ") : ""}</span>
        <span class="faint" role="status">${walking ? `walking, at ${walking}…` : ""}</span>
      </div>
      <input type="range" class="line" aria-label="Line of records" min="0" max=${last} value=${seq} onInput=${(event) => this.go(Number(event.target.value))} />
      <p class="bad" role="status">${error}</p>
      ${told && this.choices(told)}
    </section>
    ${told && html`<div class="pairs">${this.book(told)}${this.account(told)}</div>`}
    ${record && this.record(record)}</div>`;
  }

  choices(told) {
    return html`<div class="bar">
      <label>Book of <select data-test="replay-series" value=${this.state.series} onChange=${(event) => this.choose({ series: event.target.value })}><option value="">choose</option>${told.instruments.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}</select></label>
      <label>Margin of account <select data-test="replay-account" value=${this.state.account} onChange=${(event) => this.choose({ account: event.target.value })}><option value="">choose</option>${told.accounts.map((id) => html`<option key=${id} value=${id}>${id}</option>`)}</select></label>
      <span class="faint">Round ${told.round_id ?? "none"}; ${told.is_open ? "open" : "halted"}; ${told.unsettled} trades not final on chain</span>
    </div>`;
  }

  book({ book }) {
    if (book === null) return null;
    const row = (side) => ([price, qty], at) => html`<tr key=${side + at}><td class="price">${money(price_(price), 1)}</td><td>${rounded(amount_(qty), 2)}</td></tr>`;
    return html`<section class="panel" aria-label="Book then"><h2>Book of ${book.name}</h2>
      <p class="faint">${book.phase}; mark ${book.mark === null ? "none" : money(price_(book.mark))}; open interest ${rounded(amount_(book.open_interest), 2)}; volume ${rounded(amount_(book.volume), 2)}</p>
      <table class="ladder then" data-test="then-book"><thead><tr><th scope="col">Price</th><th scope="col">Amount</th></tr></thead>
        <tbody class="asks">${[...book.asks].reverse().map(row("a"))}</tbody><tbody class="bids">${book.bids.map(row("b"))}</tbody></table></section>`;
  }

  account({ account }) {
    if (account === null) return null;
    const { margin } = account;
    const line = (title, units) => html`<tr><th scope="row">${title}</th><td>${units === null || units === undefined ? "–" : money(price_(units))}</td></tr>`;
    return html`<section class="panel" aria-label="Margin then"><h2>Account ${account.account}</h2>
      <table data-test="then-margin"><tbody>${line("Cash", account.cash)}${line("Equity", margin?.equity)}${line("Initial margin", margin?.initial_margin)}${line("Maintenance margin", margin?.maintenance_margin)}${line("Open orders", margin?.open_orders)}
        ${Object.entries(account.positions).map(([name, size]) => html`<tr key=${name}><th scope="row">${name}</th><td>${rounded(amount_(size), 2)}</td></tr>`)}</tbody></table></section>`;
  }

  record(record) {
    return html`<section class="panel" aria-label="The record"><h2>${record.kind} <span class="faint mono">leaf ${record.leaf.slice(0, 16)}…</span></h2>
      <div class="pairs"><div><h3>Command</h3><pre class="scroll">${pretty(record.command)}</pre></div>
      <div><h3>Events</h3><pre class="scroll">${record.events.map(pretty).join("\n")}</pre></div></div></section>`;
  }
}

/** @param {string} units in 1e-6 USDC */
function price_(units) {
  return textOf(BigInt(units), PRICE_PLACES);
}

/** @param {string} units in 1e-4 contract */
function amount_(units) {
  return textOf(BigInt(units), QTY_PLACES);
}

/** Fields, one a line, as text. @param {any} value */
function pretty(value) {
  return Object.entries(value).map(([name, item]) => `${name}: ${typeof item === "object" && item !== null ? JSON.stringify(item) : item}`).join("\n");
}
