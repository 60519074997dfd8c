/** The account's orders, positions and trades. Labels and names are whatever their authors typed: they are shown as text. */
import { isZero, money, rounded } from "./decimal.js";
import { html } from "./html.js";
import { move } from "./keyboard.js";
import { edit } from "./orders.js";
import { View } from "./store.js";

const TABS = [
  ["orders", "Orders"],
  ["positions", "Positions"],
  ["trades", "Fills"],
];

export class Blotter extends View {
  constructor(props) {
    super(props);
    this.state = { tab: "orders", editing: "", amount: "", price: "" };
  }

  stores() {
    return [this.props.context.account.store];
  }

  async act(doing) {
    try {
      await doing();
    } catch (error) {
      this.props.context.tell(error.message, "bad");
    }
  }

  render() {
    const { context } = this.props;
    const { orders, positions, trades } = context.account.store.value;
    const counts = { orders: orders.size, positions: positions.length, trades: trades.length };
    return html`<section class="panel blotter" aria-label="Blotter">
      <div class="bar">
        <div role="tablist" aria-label="Blotter" class="tabs" onKeyDown=${(event) => move(event, "[role=tab]")}>
          ${TABS.map(([name, title]) => html`<button role="tab" key=${name} data-test="tab-${name}" aria-selected=${this.state.tab === name ? "true" : "false"}
            tabindex=${this.state.tab === name ? 0 : -1} onClick=${() => this.setState({ tab: name })}>${title} ${counts[name]}</button>`)}
        </div>
        ${orders.size > 0 && html`<button onClick=${() => this.act(() => this.cancelAll())}>Cancel all</button>`}
      </div>
      <div class="scroll">${context.account.isIn ? this[this.state.tab]() : html`<p class="empty">Log in to see orders and positions.</p>`}</div>
    </section>`;
  }

  cancelAll() {
    const { context } = this.props;
    return context.rpc.call("private/cancel_all", { subaccount_id: BigInt(context.account.store.value.id) });
  }

  orders() {
    const { orders, done } = this.props.context.account.store.value;
    const all = [...orders.values()].reverse().concat(done);
    if (all.length === 0) return html`<p class="empty">No orders.</p>`;
    return html`<table><thead><tr><th scope="col">Instrument</th><th scope="col">Side</th><th scope="col">Price</th><th scope="col">Filled / amount</th><th scope="col">State</th><th scope="col">Label</th><th scope="col"></th></tr></thead>
      <tbody>${all.map((order) => this.order(order))}</tbody></table>`;
  }

  order(order) {
    const isOpen = order.order_state === "open" || order.order_state === "untriggered";
    const isEdited = this.state.editing === order.order_id;
    const input = (name) => html`<input class="short" inputmode="decimal" aria-label=${name} value=${this.state[name]} onInput=${(event) => this.setState({ [name]: event.target.value.trim() })} />`;
    return html`<tr key=${order.order_id} data-order=${order.order_id}>
      <td>${order.instrument_name}</td><td class=${order.direction}>${order.direction}</td>
      <td>${isEdited ? input("price") : money(order.price, 1)}</td>
      <td>${rounded(order.filled_amount, 2)} / ${isEdited ? input("amount") : rounded(order.amount, 2)}</td>
      <td>${order.order_state}${order.x_cancel_reason ? ` (${order.x_cancel_reason})` : ""}</td>
      <td class="typed">${order.label}</td>
      <td>${isOpen && this.actions(order, isEdited)} <a href="#/audit/${order.order_id}">audit</a></td>
    </tr>`;
  }

  actions(order, isEdited) {
    const { context } = this.props;
    if (isEdited) {
      return html`<button onClick=${() => this.act(() => this.edited(order))}>Sign</button> <button onClick=${() => this.setState({ editing: "" })}>Leave</button>`;
    }
    const begin = () => this.setState({ editing: order.order_id, amount: order.amount, price: order.price });
    return html`<button onClick=${begin}>Edit</button> <button onClick=${() => this.act(() => context.rpc.call("private/cancel", { order_id: order.order_id }))}>Cancel</button>`;
  }

  async edited(order) {
    await edit(this.props.context, order, this.state.amount, this.state.price);
    this.setState({ editing: "" });
  }

  positions() {
    const { positions } = this.props.context.account.store.value;
    if (positions.length === 0) return html`<p class="empty">No positions.</p>`;
    return html`<table><thead><tr><th scope="col">Instrument</th><th scope="col">Size</th><th scope="col">Average</th><th scope="col">Mark</th><th scope="col">Profit</th><th scope="col">Delta</th><th scope="col">Gamma</th><th scope="col">Vega</th><th scope="col">Theta</th></tr></thead>
      <tbody>${positions.map((item) => html`<tr key=${item.instrument_name}><td>${item.instrument_name}</td><td>${rounded(item.size, 2)}</td>
        <td>${money(item.average_price)}</td><td>${money(item.mark_price)}</td><td class=${signOf(item.floating_profit_loss)}>${money(item.floating_profit_loss)}</td>
        <td>${rounded(item.delta, 3)}</td><td>${rounded(item.gamma, 5)}</td><td>${rounded(item.vega, 2)}</td><td>${rounded(item.theta, 2)}</td></tr>`)}</tbody></table>`;
  }

  trades() {
    const { trades } = this.props.context.account.store.value;
    if (trades.length === 0) return html`<p class="empty">No fills yet.</p>`;
    return html`<table><thead><tr><th scope="col">Time (UTC)</th><th scope="col">Instrument</th><th scope="col">Side</th><th scope="col">Price</th><th scope="col">Amount</th><th scope="col">Fee</th><th scope="col"></th></tr></thead>
      <tbody>${trades.map((trade) => html`<tr key=${trade.trade_id}><td>${new Date(Number(trade.timestamp)).toISOString().slice(5, 19).replace("T", " ")}</td>
        <td>${trade.instrument_name}</td><td class=${trade.direction}>${trade.direction} ${trade.liquidity === "M" ? "maker" : "taker"}</td><td>${money(trade.price, 1)}</td>
        <td>${rounded(trade.amount, 2)}</td><td>${money(trade.fee, 4)}</td><td><a href="#/audit/${trade.order_id}">audit</a></td></tr>`)}</tbody></table>`;
  }
}

/** @param {string} text */
function signOf(text) {
  return isZero(text) ? "" : text.startsWith("-") ? "down" : "up";
}
