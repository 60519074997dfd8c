/** The book of one instrument as its channel tells it, and the trades in it. */
import { isZero, money, placesOf, rounded, textOf, unitsOf, PRICE_PLACES, QTY_PLACES } from "./decimal.js";
import { html } from "./html.js";
import { Store, View } from "./store.js";

const LEVELS = 10;
const TRADES = 40;

/** Follows one instrument: a snapshot, then changes without a gap; a gap asks for a new snapshot. */
export class BookFeed {
  /** @param {import("./rpc.js").Rpc} rpc @param {string} name */
  constructor(rpc, name) {
    this.rpc = rpc;
    this.name = name;
    /** @type {Map<bigint, bigint>[]} bids and asks, amount by price, in units */
    this.sides = [new Map(), new Map()];
    this.changeId = "";
    this.store = new Store({ ready: false, trades: /** @type {any[]} */ ([]) });
    this.ends = [rpc.hear(this.channel, (data) => this.hear(data)), rpc.hear(`trades.${name}.100ms`, (data) => this.trades(data))];
    rpc.call("public/get_last_trades_by_instrument", { instrument_name: name, count: TRADES }).then(
      (found) => this.trades(found.trades.reverse()),
      (error) => rpc.trouble(error),
    );
  }

  get channel() {
    return `book.${this.name}.100ms`;
  }

  end() {
    for (const end of this.ends) end();
  }

  /** @param {any} data */
  hear(data) {
    if (data.type === "snapshot") this.sides = [new Map(), new Map()];
    else if (data.prev_change_id !== this.changeId) {
      this.rpc.again(this.channel);
      return;
    }
    this.changeId = data.change_id;
    [data.bids, data.asks].forEach((rows, side) => {
      for (const [verb, price, amount] of rows) {
        const at = unitsOf(price, PRICE_PLACES);
        if (verb === "delete") this.sides[side].delete(at);
        else this.sides[side].set(at, unitsOf(amount, QTY_PLACES));
      }
    });
    this.store.set({ ready: true });
  }

  /** Trades come once, whichever way; the newest first. @param {any[]} found */
  trades(found) {
    const known = new Map(this.store.value.trades.map((trade) => [trade.trade_id, trade]));
    for (const trade of found) known.set(trade.trade_id, trade);
    const trades = [...known.values()].sort((a, b) => Number(b.trade_seq) - Number(a.trade_seq)).slice(0, TRADES);
    this.store.set({ trades });
  }

  /** The best levels of a side, and how much there is up to each. @param {0|1} side */
  levels(side) {
    const order = side === 0 ? (a, b) => (a < b ? 1 : -1) : (a, b) => (a < b ? -1 : 1);
    let sum = 0n;
    return [...this.sides[side].keys()].sort(order).slice(0, LEVELS).map((price) => {
      const amount = this.sides[side].get(price) ?? 0n;
      sum += amount;
      return { price, amount, sum };
    });
  }
}

/** Book and tape of whatever is chosen. */
export class BookView extends View {
  stores() {
    return [this.props.context.store];
  }

  begin() {
    this.follow();
  }

  componentDidUpdate() {
    this.follow();
  }

  end() {
    this.feed?.end();
    this.stop?.();
  }

  follow() {
    const name = this.props.context.store.value.instrument;
    if (name === (this.feed?.name ?? "")) return;
    this.feed?.end();
    this.stop?.();
    this.feed = name ? new BookFeed(this.props.context.rpc, name) : undefined;
    this.stop = this.feed?.store.watch(() => this.setState({}));
    this.setState({});
  }

  render() {
    const { market, store } = this.props.context;
    const name = store.value.instrument;
    const places = placesOf(market.instrument(name)?.tick_size ?? "1");
    return html`<section class="panel book" aria-label="Order book">
      <h2>Book <span class="name" data-test="book-name">${name}</span></h2>
      ${name ? this.ladder(places) : html`<p class="empty">Choose an option in the chain.</p>`}
    </section>
    <section class="panel tape" aria-label="Trades">
      <h2>Tape</h2>
      ${this.tape(places)}
    </section>`;
  }

  ladder(places) {
    const [bids, asks] = [this.feed?.levels(0) ?? [], this.feed?.levels(1) ?? []];
    const most = [...bids, ...asks].reduce((found, level) => (level.sum > found ? level.sum : found), 1n);
    const blank = (count) => Array.from({ length: Math.max(LEVELS - count, 0) }, () => null);
    return html`<table class="ladder">
      <thead><tr><th scope="col">Price</th><th scope="col">Amount</th><th scope="col">Sum</th></tr></thead>
      <tbody class="asks">${[...blank(asks.length), ...asks.reverse()].map((level, at) => this.level(level, most, places, `a${at}`))}</tbody>
      <tbody class="bids">${[...bids, ...blank(bids.length)].map((level, at) => this.level(level, most, places, `b${at}`))}</tbody>
    </table>`;
  }

  level(level, most, places, key) {
    if (level === null) return html`<tr key=${key}><td></td><td></td><td></td></tr>`;
    const price = textOf(level.price, PRICE_PLACES);
    const share = Number((level.sum * 100n) / most);
    return html`<tr key=${key} onClick=${() => this.props.context.offer(price)}>
      <td class="price">${money(price, places)}</td>
      <td>${amountText(level.amount)}</td>
      <td class="sum"><meter min="0" max="100" value=${share} aria-hidden="true"></meter>${amountText(level.sum)}</td>
    </tr>`;
  }

  tape(places) {
    const trades = this.feed?.store.value.trades ?? [];
    if (trades.length === 0) return html`<p class="empty">No trades yet.</p>`;
    return html`<table><thead><tr><th scope="col">Time (UTC)</th><th scope="col">Side</th><th scope="col">Price</th><th scope="col">Amount</th></tr></thead>
      <tbody>${trades.map((trade) => html`<tr key=${trade.trade_id} class=${trade.direction}>
        <td>${new Date(Number(trade.timestamp)).toISOString().slice(11, 19)}</td>
        <td class=${trade.direction}>${trade.direction}</td>
        <td>${money(trade.price, places)}</td>
        <td>${rounded(trade.amount, isZero(trade.amount) ? 0 : 2)}</td>
      </tr>`)}</tbody></table>`;
  }
}

/** @param {bigint} amount in 1e-4 contract */
function amountText(amount) {
  return `${amount / 10_000n}.${String((amount % 10_000n) / 100n).padStart(2, "0")}`;
}
