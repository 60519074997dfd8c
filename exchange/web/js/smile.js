/** Implied vols: the smile of every expiry as a line over its strikes, and the surface as a table of the same numbers. */
import uPlot from "../vendor/uplot/uPlot.esm.js";
import { rounded } from "./decimal.js";
import { html } from "./html.js";
import { View } from "./store.js";

const HEIGHT = 320;
const INKS = ["--accent", "--buy", "--sell", "--warn", "--text"];

export class SmileView extends View {
  constructor(props) {
    super(props);
    /** @type {Map<string, string>} vols in percent by instrument */
    this.vols = new Map();
    this.sized = new ResizeObserver(() => this.draw());
  }

  stores() {
    return [this.props.context.market.store];
  }

  begin() {
    this.follow();
  }

  componentDidUpdate() {
    this.follow();
    this.draw();
  }

  end() {
    this.part?.();
    this.sized.disconnect();
    this.chart?.destroy();
  }

  /** Vols move with oracle rounds: when one has come, the summary is asked for anew. */
  follow() {
    const { market, rpc } = this.props.context;
    const { index } = market.store.value;
    if (index === "" || index === this.index) return;
    this.index = index;
    this.part?.();
    this.part = rpc.hear(`markprice.options.${index}`, () => this.read());
    this.read();
  }

  async read() {
    const { rpc } = this.props.context;
    try {
      const rows = await rpc.call("public/get_book_summary_by_currency", { currency: "any", kind: "option" });
      this.vols = new Map(rows.filter((row) => row.mark_iv !== undefined).map((row) => [row.instrument_name, row.mark_iv]));
      this.setState({});
    } catch (error) {
      rpc.trouble(error);
    }
  }

  /** Strikes of all expiries, and for each expiry its vols there; shown, not signed, so doubles will do. */
  lines() {
    const { expiries } = this.props.context.market.store.value;
    const strikes = [...new Set(expiries.flatMap((expiry) => expiry.rows.map((row) => row.strike)))].sort((a, b) => Number(a) - Number(b));
    const volAt = (expiry, strike) => {
      const row = expiry.rows.find((each) => each.strike === strike);
      return row === undefined ? undefined : (this.vols.get(row.call) ?? this.vols.get(row.put));
    };
    return { expiries, strikes, vols: expiries.map((expiry) => strikes.map((strike) => volAt(expiry, strike))) };
  }

  draw() {
    const place = this.place;
    if (!place) return;
    const { expiries, strikes, vols } = this.lines();
    const data = [strikes.map(Number), ...vols.map((line) => line.map((vol) => (vol === undefined ? null : Number(vol))))];
    const names = expiries.map((expiry) => expiry.label).join();
    const size = { width: place.clientWidth, height: HEIGHT };
    if (names !== this.names) {
      this.chart?.destroy();
      this.names = names;
      this.chart = new uPlot(options(expiries, size), data, place);
    } else {
      this.chart.setData(data);
      if (this.chart.width !== size.width) this.chart.setSize(size);
    }
  }

  render() {
    const { expiries, strikes, vols } = this.lines();
    const hold = (place) => {
      this.place = place;
      if (place) this.sized.observe(place);
    };
    return html`<div class="stack"><section class="panel" aria-label="Smile"><h2>Smile: implied vol of the mark, percent</h2><div class="chart" ref=${hold} aria-hidden="true"></div></section>
      <section class="panel" aria-label="Surface"><h2>Surface</h2><div class="scroll"><table data-test="surface">
        <thead><tr><th scope="col">Strike</th>${expiries.map((expiry) => html`<th scope="col" key=${expiry.ms}>${expiry.label}</th>`)}</tr></thead>
        <tbody>${strikes.map((strike, at) => html`<tr key=${strike}><th scope="row">${rounded(strike, 0)}</th>${vols.map((line, column) => html`<td key=${column}>${line[at] === undefined ? "" : rounded(line[at], 2)}</td>`)}</tr>`)}</tbody>
      </table></div></section></div>`;
  }
}

/** @param {any[]} expiries @param {{width: number, height: number}} size */
function options(expiries, size) {
  const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const axis = { stroke: () => ink("--faint"), grid: { stroke: () => ink("--line") }, ticks: { stroke: () => ink("--line") } };
  const line = (expiry, at) => ({ label: expiry.label, stroke: () => ink(INKS[at % INKS.length]), width: 2, points: { show: true, size: 6 } });
  return { ...size, scales: { x: { time: false } }, axes: [axis, axis], series: [{ label: "Strike" }, ...expiries.map(line)] };
}
