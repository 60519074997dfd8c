/** The account's margin: as it is, its worst scenario, and as it would be with other positions. The venue computes all of it. */
import { isZero, money, rounded, unitsOf, PRICE_PLACES, QTY_PLACES } from "./decimal.js";
import { Blotter } from "./blotter.js";
import { html } from "./html.js";
import { Login } from "./login.js";
import { View } from "./store.js";
import { Exact } from "./wire.js";

const FIGURES = [
  ["equity", "Equity"],
  ["balance", "Cash"],
  ["available_funds", "Available"],
  ["initial_margin", "Initial margin"],
  ["maintenance_margin", "Maintenance margin"],
  ["options_delta", "Delta"],
  ["options_gamma", "Gamma"],
  ["options_vega", "Vega"],
  ["options_theta", "Theta"],
];

export class AccountView extends View {
  constructor(props) {
    super(props);
    this.state = { instrument: "", size: "", asIs: null, imagined: null, error: "" };
  }

  stores() {
    const { account, market } = this.props.context;
    return [account.store, market.store];
  }

  begin() {
    this.refresh();
  }

  componentDidUpdate() {
    this.refresh();
  }

  /** Scenarios move with positions and rounds: ask again when the summary shows that they did. */
  refresh() {
    const { account } = this.props.context;
    const { summary, id } = account.store.value;
    const seen = summary === null ? "" : `${id} ${summary.initial_margin} ${summary.options_value}`;
    if (seen === this.seen) return;
    this.seen = seen;
    if (summary === null) this.setState({ asIs: null, imagined: null });
    else this.simulate({}).then((asIs) => this.setState({ asIs }), (error) => this.setState({ error: error.message }));
  }

  /** @param {Record<string, Exact>} positions */
  simulate(positions) {
    return this.props.context.rpc.call("private/simulate_portfolio", { currency: "USDC", add_positions: true, simulated_positions: positions });
  }

  async imagine(event) {
    event.preventDefault();
    const { instrument, size } = this.state;
    try {
      unitsOf(size, QTY_PLACES);
      this.setState({ imagined: await this.simulate({ [instrument]: new Exact(size) }), error: "" });
    } catch (error) {
      this.setState({ imagined: null, error: error.message });
    }
  }

  render() {
    const { context } = this.props;
    return html`<div class="stack"><section class="panel" aria-label="Account"><h2>Account</h2><${Login} context=${context} /></section>
      ${context.account.isIn && html`<section class="panel margin" aria-label="Margin"><h2>Margin</h2>${this.figures()}${this.whatIf()}</section>
      <section class="panel scenarios" aria-label="Scenarios"><h2>Scenarios</h2>${this.scenarios()}</section>`}
      <${Blotter} context=${context} /></div>`;
  }

  figures() {
    const { summary } = this.props.context.account.store.value;
    const { imagined } = this.state;
    const shown = (value, name) => (value?.[name] === undefined ? "–" : name.startsWith("options_") ? rounded(value[name], 4) : money(value[name]));
    return html`<table data-test="margin"><thead><tr><th scope="col"></th><th scope="col">As it is</th>${imagined && html`<th scope="col">What if</th>`}</tr></thead>
      <tbody>${FIGURES.map(([name, title]) => html`<tr key=${name}><th scope="row">${title}</th><td>${shown(summary, name)}</td>${imagined && html`<td data-test="if-${name}">${shown(imagined, name)}</td>`}</tr>`)}</tbody></table>`;
  }

  whatIf() {
    const names = [...this.props.context.market.instruments.values()].filter((item) => item.kind === "option").map((item) => item.instrument_name);
    return html`<form class="what-if" onSubmit=${(event) => this.imagine(event)}>
      <label>What if I also held <select data-test="if-instrument" value=${this.state.instrument} onChange=${(event) => this.setState({ instrument: event.target.value })}>
        <option value="">choose</option>${names.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}</select></label>
      <label>contracts, below zero for short <input data-test="if-size" inputmode="decimal" value=${this.state.size} onInput=${(event) => this.setState({ size: event.target.value.trim() })} /></label>
      <button disabled=${!this.state.instrument || !this.state.size}>Compute</button>
      ${this.state.imagined && html`<button type="button" onClick=${() => this.setState({ imagined: null })}>Clear</button>`}
      <p class="bad" role="status">${this.state.error}</p>
    </form>`;
  }

  scenarios() {
    const tables = Object.entries((this.state.imagined ?? this.state.asIs)?.x_scenarios ?? {});
    if (tables.length === 0) return html`<p class="empty">Without positions there is nothing to lose.</p>`;
    return tables.map(([index, table]) => this.table(index, table));
  }

  words(row) {
    return row === undefined ? "none." : `price ${rounded(row.price_change, 1)} %, vol ${row.vol}: ${money(row.profit_loss)}.`;
  }

  table(index, { worst, scenarios, initial_margin: initial }) {
    const head = html`<p>${index}: the portfolio model, which tells and does not bind, would take ${money(initial)}. Worst: ${this.words(scenarios[Number(worst)])}</p>`;
    return html`${head}<div class="scroll tall"><table><thead><tr><th scope="col">Price</th><th scope="col">Vol</th><th scope="col">Weight</th><th scope="col">Profit or loss</th></tr></thead>
      <tbody>${scenarios.map((row, at) => html`<tr key=${at} class=${String(at) === worst ? "worst" : ""} data-test=${String(at) === worst ? "worst" : undefined}>
        <td>${rounded(row.price_change, 1)} %</td><td>${row.vol}</td><td>${rounded(row.weight, 2)}</td><td class=${lossOf(row.profit_loss)}>${money(row.profit_loss)}</td></tr>`)}</tbody></table></div>`;
  }
}

/** @param {string} text */
function lossOf(text) {
  return isZero(text) ? "" : unitsOf(text, PRICE_PLACES) < 0n ? "down" : "up";
}
