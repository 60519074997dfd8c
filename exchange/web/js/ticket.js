/** The order ticket: what is to be traded, what it would take, and the signature. */
import { isZero, money, unitsOf } from "./decimal.js";
import { html } from "./html.js";
import { Login } from "./login.js";
import { place } from "./orders.js";
import { View } from "./store.js";
import { Exact } from "./wire.js";

const TIFS = [
  ["good_til_cancelled", "Good til cancelled"],
  ["immediate_or_cancel", "Immediate or cancel"],
  ["fill_or_kill", "Fill or kill"],
];
const SETTLE_MS = 250;
const LABEL_MAX = 64;

export class Ticket extends View {
  constructor(props) {
    super(props);
    this.state = { amount: "", price: "", side: "buy", tif: "good_til_cancelled", isMarket: false, postOnly: false, reduceOnly: false, label: "", isBusy: false, preview: null, result: null };
    this.at = -1;
  }

  stores() {
    return [this.props.context.store, this.props.context.account.store];
  }

  begin() {
    this.adopt();
  }

  componentDidUpdate() {
    this.adopt();
  }

  end() {
    clearTimeout(this.timer);
  }

  /** Take over what was chosen in the chain or the book. */
  adopt() {
    const { draft } = this.props.context.store.value;
    if (draft.at === this.at) return;
    this.at = draft.at;
    this.change({ side: draft.side, price: draft.price });
  }

  /** @param {Record<string, any>} patch */
  change(patch) {
    this.setState({ ...patch, result: null });
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.preview(), SETTLE_MS);
  }

  /** What a whole fill would take: margin, fees and the band, as the venue computes them. */
  async preview() {
    const { context } = this.props;
    const { amount, price } = this.state;
    const name = context.store.value.instrument;
    if (!name || !context.account.isIn || !isAbove(amount) || !isAbove(price)) return this.setState({ preview: null });
    try {
      const preview = await context.rpc.call("private/get_margins", { instrument_name: name, amount: new Exact(amount), price: new Exact(price) });
      if (amount === this.state.amount && price === this.state.price) this.setState({ preview });
    } catch (error) {
      this.setState({ preview: null, result: { bad: error.message } });
    }
    return undefined;
  }

  async submit(event) {
    event.preventDefault();
    const { context } = this.props;
    const { amount, price, side, tif, isMarket, postOnly, reduceOnly, label } = this.state;
    const instrument = context.market.instrument(context.store.value.instrument);
    this.setState({ isBusy: true, result: null });
    try {
      const done = await place(context, { instrument, side, amount, price, tif: isMarket && tif === "good_til_cancelled" ? "immediate_or_cancel" : tif, isMarket, postOnly, reduceOnly, label });
      this.setState({ result: { order: done.order, trades: done.trades, receipt: done.receipt } });
    } catch (error) {
      this.setState({ result: { bad: error.message, cure: error.data?.cure ?? "" } });
    }
    this.setState({ isBusy: false });
  }

  render() {
    const { context } = this.props;
    const name = context.store.value.instrument;
    const { side, isBusy } = this.state;
    const isReady = name && context.account.isIn && isAbove(this.state.amount) && isAbove(this.state.price) && !isBusy;
    return html`<section class="panel ticket" aria-label="Order ticket">
      <h2>Ticket <span class="name">${name || "choose an option"}</span></h2>
      <${Login} context=${context} />
      <form onSubmit=${(event) => this.submit(event)}>
        <div class="sides" role="radiogroup" aria-label="Side">
          ${["buy", "sell"].map((each) => html`<label class=${each}><input type="radio" name="side" checked=${side === each} onChange=${() => this.change({ side: each })} /> ${each}</label>`)}
        </div>
        <div class="pair">
          ${this.field("amount", "Amount, contracts", "ticket-amount")}
          ${this.field("price", this.state.isMarket ? "Worst price, USDC" : "Price, USDC", "ticket-price")}
        </div>
        <div class="pair">
          <label>In force <select value=${this.state.tif} onChange=${(event) => this.change({ tif: event.target.value })}>
            ${TIFS.map(([value, title]) => html`<option value=${value}>${title}</option>`)}</select></label>
          <label>Label <input maxlength=${LABEL_MAX} value=${this.state.label} data-test="ticket-label" onInput=${(event) => this.setState({ label: event.target.value })} /></label>
        </div>
        <div class="flags">${this.flag("isMarket", "Market")}${this.flag("postOnly", "Post only")}${this.flag("reduceOnly", "Reduce only")}</div>
        ${this.figures()}
        <button class=${side} disabled=${!isReady} data-test="submit">${isBusy ? "Waiting for the signature…" : `Sign and ${side}`}</button>
      </form>
      ${this.told()}
    </section>`;
  }

  field(name, title, id) {
    return html`<label for=${id}>${title}<input id=${id} inputmode="decimal" autocomplete="off" value=${this.state[name]}
      aria-invalid=${this.state[name] !== "" && !isAbove(this.state[name])} onInput=${(event) => this.change({ [name]: event.target.value.trim() })} /></label>`;
  }

  flag(name, title) {
    return html`<label><input type="checkbox" checked=${this.state[name]} onChange=${(event) => this.change({ [name]: event.target.checked })} /> ${title}</label>`;
  }

  figures() {
    const { preview, side } = this.state;
    const row = (title, value) => html`<div><dt>${title}</dt><dd>${value}</dd></div>`;
    return html`<dl class="figures">
      ${row("Takes of funds", preview ? money(preview[side]) : "–")}
      ${row("Fee as taker", preview ? money(preview[`${side}_taker_fee`]) : "–")}
      ${row("Band", preview ? `${money(preview.min_price, 1)} – ${isZero(preview.max_price) ? "" : money(preview.max_price, 1)}` : "–")}
    </dl>`;
  }

  told() {
    const { result } = this.state;
    return html`<div class="told" role="status" aria-live="polite" data-test="told">${result && (result.bad
      ? html`<p class="bad">${result.bad} ${result.cure}</p>`
      : html`<p class="good">Order ${result.order.order_id}: ${result.order.order_state}, ${result.order.filled_amount} of ${result.order.amount} filled. ${" "}
          <a href="#/audit/${result.order.order_id}">Audit</a></p>
          <p class="faint">Record ${result.receipt.seq}, signed by the operator.</p>`)}</div>`;
  }
}

/** Whether a text is a number above zero. @param {string} text */
function isAbove(text) {
  try {
    return unitsOf(text, 18) > 0n;
  } catch {
    return false;
  }
}
