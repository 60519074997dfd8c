/** What is listed, and the tickers of what somebody looks at. Everything is as the venue told it: numbers are text. */
import { PRICE_PLACES, rounded, unitsOf } from "./decimal.js";
import { Store } from "./store.js";

const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

/**
 * @typedef {{strike: string, call: string, put: string}} Row      names of instruments, "" where there is none
 * @typedef {{ms: number, label: string, rows: Row[]}} Expiry
 * @typedef {Record<string, any>} Ticker
 * @typedef {(ticker: Ticker, changed: Ticker) => void} HearTicker
 */

export class Market {
  /** @param {import("./rpc.js").Rpc} rpc */
  constructor(rpc) {
    this.rpc = rpc;
    /** @type {Map<string, Record<string, any>>} by name */
    this.instruments = new Map();
    /** @type {Map<string, Ticker>} */
    this.tickers = new Map();
    this.store = new Store({ indices: /** @type {string[]} */ ([]), index: "", spot: "", expiries: /** @type {Expiry[]} */ ([]), error: "" });
    this.endIndex = () => {};
  }

  /** Read what is listed, and again whenever something is or ends. */
  async load() {
    const listed = await this.rpc.call("public/get_instruments", { currency: "any", kind: "any" });
    this.instruments = new Map(listed.map((item) => [item.instrument_name, item]));
    const indices = [...new Set(listed.map((item) => item.price_index))].sort();
    const index = indices.includes(this.store.value.index) ? this.store.value.index : (indices[0] ?? "");
    this.store.set({ indices });
    this.choose(index);
  }

  /** Follow listings and states for good. */
  follow() {
    const again = () => this.load().catch((error) => this.rpc.trouble(error));
    this.rpc.hear("instrument.creation.any.any", again);
    this.rpc.hear("instrument.state.any.any", again);
  }

  /** Look at another underlying. @param {string} index */
  choose(index) {
    const options = [...this.instruments.values()].filter((item) => item.price_index === index && item.kind === "option");
    if (index !== this.store.value.index) {
      this.endIndex();
      this.endIndex = index ? this.rpc.hear(`deribit_price_index.${index}`, (data) => this.store.set({ spot: data.price })) : () => {};
    }
    this.store.set({ index, expiries: expiriesOf(options) });
    if (index) this.ask(index);
  }

  /** The spot as it is, before the next round tells it. @param {string} index */
  ask(index) {
    this.rpc.call("public/get_index_price", { index_name: index }).then(
      (found) => this.store.set({ spot: found.index_price }),
      (error) => this.rpc.trouble(error),
    );
  }

  /**
   * Hear the ticker of an instrument: whole at first, then what changed. Returns what ends it.
   * @param {string} name
   * @param {HearTicker} hear
   */
  watch(name, hear) {
    const held = this.tickers.get(name);
    if (held !== undefined) hear(held, held);
    return this.rpc.hear(`incremental_ticker.${name}`, (data) => {
      const before = data.type === "snapshot" ? {} : (this.tickers.get(name) ?? {});
      const now = { ...before, ...data };
      this.tickers.set(name, now);
      hear(now, data);
    });
  }

  /** @param {string} name */
  instrument(name) {
    return this.instruments.get(name);
  }
}

/** Expiries in order, each with its strikes in order. @param {Record<string, any>[]} options @returns {Expiry[]} */
export function expiriesOf(options) {
  /** @type {Map<string, Map<string, Row>>} */
  const found = new Map();
  for (const item of options) {
    const rows = found.get(item.expiration_timestamp) ?? new Map();
    found.set(item.expiration_timestamp, rows);
    const strike = rounded(item.strike, PRICE_PLACES);
    const row = rows.get(strike) ?? { strike: item.strike, call: "", put: "" };
    rows.set(strike, { ...row, [item.option_type]: item.instrument_name });
  }
  const order = (a, b) => Number(a) - Number(b);
  return [...found.keys()].sort(order).map((ms) => {
    const rows = found.get(ms) ?? new Map();
    const strikes = [...rows.keys()].sort((a, b) => (unitsOf(a, PRICE_PLACES) < unitsOf(b, PRICE_PLACES) ? -1 : 1));
    return { ms: Number(ms), label: dayOf(Number(ms)), rows: strikes.map((strike) => rows.get(strike)) };
  });
}

/** A day as instruments are named by it. @param {number} ms */
export function dayOf(ms) {
  const day = new Date(ms);
  return `${day.getUTCDate()} ${MONTHS[day.getUTCMonth()]} ${String(day.getUTCFullYear() % 100).padStart(2, "0")}`;
}

/** The strike nearest to a price; -1 without one. @param {Row[]} rows @param {string} spot */
export function atTheMoney(rows, spot) {
  if (!spot) return -1;
  const price = unitsOf(spot, PRICE_PLACES);
  const gaps = rows.map((row) => unitsOf(row.strike, PRICE_PLACES) - price).map((gap) => (gap < 0n ? -gap : gap));
  return gaps.reduce((best, gap, place) => (best < 0 || gap < gaps[best] ? place : best), -1);
}
