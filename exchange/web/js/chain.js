/** The option chain of one expiry: calls to the left of the strikes, puts to the right, the money in between. */
import { Cells } from "./cells.js";
import { isZero, money, placesOf, rounded } from "./decimal.js";
import { html } from "./html.js";
import { move } from "./keyboard.js";
import { atTheMoney } from "./market.js";
import { View } from "./store.js";

/** Columns of a call from the outside in; those of a put are the same mirrored. A narrow screen shows some of them. */
const COLUMNS = [
  { key: "vega", title: "Vega", places: 1 },
  { key: "theta", title: "Theta", places: 1 },
  { key: "gamma", title: "Gamma", places: 4 },
  { key: "delta", title: "Delta", places: 2, narrow: true },
  { key: "mark_iv", title: "IV", places: 1 },
  { key: "best_bid_amount", title: "Size", places: 2 },
  { key: "best_bid_price", title: "Bid", narrow: true },
  { key: "mark_price", title: "Mark" },
  { key: "best_ask_price", title: "Ask", narrow: true },
  { key: "best_ask_amount", title: "Size", places: 2 },
];
const GREEKS = ["vega", "theta", "gamma", "delta"];
const PRICED = /_(price|amount)$/;
const NARROW = "(max-width: 40rem)";

export class Chain extends View {
  constructor(props) {
    super(props);
    this.cells = new Cells();
    /** @type {(() => void)[]} */
    this.parts = [];
    this.shown = "";
    this.narrow = matchMedia(NARROW);
    this.resized = () => this.setState({});
    this.state = { at: 0, focus: { row: -1, side: "call" } };
  }

  stores() {
    return [this.props.context.market.store, this.props.context.store];
  }

  begin() {
    this.narrow.addEventListener("change", this.resized);
    this.watch();
  }

  componentDidUpdate() {
    this.watch();
  }

  end() {
    this.narrow.removeEventListener("change", this.resized);
    for (const part of this.parts) part();
  }

  /** Those of calls and those of puts. */
  columns() {
    const calls = COLUMNS.filter((column) => column.narrow || !this.narrow.matches);
    const [outer, inner] = [calls.filter((column) => !PRICED.test(column.key)), calls.filter((column) => PRICED.test(column.key))];
    return [calls, [...inner, ...outer.reverse()]];
  }

  /** The expiry that is shown; an expiry that ended gives way to the next. */
  expiry() {
    const { expiries } = this.props.context.market.store.value;
    return expiries[Math.min(this.state.at, expiries.length - 1)];
  }

  /** Hear the tickers of the expiry that is shown, and of no other. */
  watch() {
    const rows = this.expiry()?.rows ?? [];
    const names = rows.flatMap((row) => [row.call, row.put]).filter((name) => name);
    if (names.join() === this.shown) return;
    this.shown = names.join();
    for (const part of this.parts) part();
    this.cells.clear();
    const market = this.props.context.market;
    this.parts = names.map((name) => market.watch(name, (ticker, changed) => this.tell(name, ticker, changed)));
    this.setState({});
  }

  /** @param {string} name @param {any} ticker @param {any} changed */
  tell(name, ticker, changed) {
    const places = placesOf(this.props.context.market.instrument(name)?.tick_size ?? "1");
    for (const column of COLUMNS) {
      const isGreek = GREEKS.includes(column.key);
      if ((isGreek ? changed.greeks : changed[column.key]) === undefined) continue;
      const value = isGreek ? ticker.greeks[column.key] : ticker[column.key];
      this.cells.set(`${name} ${column.key}`, cellText(column.key, value, column.places ?? places));
    }
  }

  render() {
    const { market, store } = this.props.context;
    const { expiries, spot, indices, index } = market.store.value;
    const expiry = this.expiry();
    if (expiry === undefined) return html`<section class="panel"><h2>Chain</h2><p class="empty">Nothing is listed yet.</p></section>`;
    return html`<section class="panel chain" aria-label="Option chain">
      <header class="bar">
        ${indices.length > 1 && html`<select aria-label="Underlying" value=${index} onChange=${(event) => market.choose(event.target.value)}>
          ${indices.map((name) => html`<option value=${name}>${name}</option>`)}
        </select>`}
        <div role="tablist" aria-label="Expiries" class="tabs" onKeyDown=${(event) => move(event, "[role=tab]")}>
          ${expiries.map((item, at) => this.tab(item, at, item === expiry))}
        </div>
        <span class="spot"><span class="label">${index}</span> <b data-test="spot">${money(spot)}</b></span>
      </header>
      ${this.table(expiry, spot, store.value.instrument)}
    </section>`;
  }

  tab(item, at, chosen) {
    return html`<button role="tab" key=${item.ms} aria-selected=${chosen ? "true" : "false"} tabindex=${chosen ? 0 : -1}
      onClick=${() => this.setState({ at, focus: { row: -1, side: "call" } })}>${item.label}</button>`;
  }

  table(expiry, spot, selected) {
    const middle = atTheMoney(expiry.rows, spot);
    const { focus } = this.state;
    const tabRow = focus.row < 0 ? Math.max(middle, 0) : Math.min(focus.row, expiry.rows.length - 1);
    const [calls, puts] = this.columns();
    const head = (column) => html`<th scope="col" class=${column.key}>${column.title}</th>`;
    const width = (column) => html`<col class=${column.key} />`;
    return html`<div class="scroll"><table role="grid" ref=${(grid) => (this.grid = grid)} aria-rowcount=${expiry.rows.length} onKeyDown=${(event) => this.key(event)}>
      <colgroup>${calls.map(width)}<col class="strike" />${puts.map(width)}</colgroup>
      <thead>
        <tr><th colspan=${calls.length} scope="colgroup">Calls</th><th></th><th colspan=${puts.length} scope="colgroup">Puts</th></tr>
        <tr>${calls.map(head)}<th scope="col" class="strike">Strike</th>${puts.map(head)}</tr>
      </thead>
      <tbody>${expiry.rows.map((row, place) => this.row(row, place, { middle, tabRow, selected, calls, puts }))}</tbody>
    </table></div>`;
  }

  row(row, place, { middle, tabRow, selected, calls, puts }) {
    const money = place === middle ? { "aria-label": `${row.strike}, at the money` } : {};
    const side = (name, columns, kind) => columns.map((column) => this.cell(name, column, kind, place === tabRow && this.state.focus.side === kind, name === selected));
    return html`<tr key=${row.strike} class=${place === middle ? "atm" : ""} data-row=${place}>
      ${side(row.call, calls, "call")}
      <th scope="row" class="strike" ...${money}>${rounded(row.strike, 0)}</th>
      ${side(row.put, puts, "put")}
    </tr>`;
  }

  /** The bid of each side is what the keyboard stops at: it names the instrument. */
  cell(name, column, kind, stops, selected) {
    const stop = column.key === "best_bid_price" ? { tabindex: stops ? 0 : -1, "aria-label": name, "data-side": kind } : {};
    return html`<td role="gridcell" key=${kind + column.key} class="${column.key} ${kind} ${selected ? "chosen" : ""}" data-name=${name} ...${stop}
      ref=${this.cells.ref(`${name} ${column.key}`)} onClick=${() => this.choose(name, column.key)}></td>`;
  }

  /** A click on a bid is about to sell into it, one on an offer about to buy it. */
  choose(name, key) {
    if (!name) return;
    const side = key.startsWith("best_bid") ? "sell" : key.startsWith("best_ask") ? "buy" : "";
    this.props.context.select(name, side);
  }

  key(event) {
    const cell = event.target.closest("[data-side]");
    if (cell === null) return;
    const place = Number(cell.closest("tr").dataset.row);
    const last = (this.expiry()?.rows.length ?? 1) - 1;
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8, Home: -last, End: last };
    const { side } = cell.dataset;
    if (event.key in steps) this.focus(Math.min(Math.max(place + steps[event.key], 0), last), side);
    else if (event.key === "ArrowLeft" || event.key === "ArrowRight") this.focus(place, event.key === "ArrowLeft" ? "call" : "put");
    else if (event.key === "Enter" || event.key === " ") this.choose(cell.dataset.name, "");
    else if (event.key === "b" || event.key === "s") this.props.context.select(cell.dataset.name, event.key === "b" ? "buy" : "sell", true);
    else return;
    event.preventDefault();
  }

  focus(row, side) {
    this.setState({ focus: { row, side } }, () => this.grid?.querySelector(`tr[data-row="${row}"] [data-side="${side}"]`)?.focus());
  }
}

/** An empty side of a book is 0 on the wire and blank here. */
function cellText(key, value, places) {
  if (value === null || value === undefined) return "";
  if (PRICED.test(key) && key !== "mark_price" && isZero(value)) return "";
  return key.endsWith("_price") ? money(value, places) : rounded(value, places);
}
