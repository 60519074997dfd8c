/** What every part of the page shares: the connection, the market, and what is chosen. */
import { Account } from "./account.js";
import { Archive } from "./archive.js";
import { isZero } from "./decimal.js";
import { EvidenceBox } from "./evidence.js";
import { Market } from "./market.js";
import { Refusal, Rpc } from "./rpc.js";
import { Store } from "./store.js";

const NOTICES = 5;

export class Context {
  /** @param {{replay: string, venue: boolean}} settings what the server of this page says of itself */
  constructor(settings) {
    this.hasVenue = settings.venue;
    this.archive = new Archive(settings.replay);
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.rpc = new Rpc(`${scheme}://${location.host}/ws/api/v2`);
    this.market = new Market(this.rpc);
    this.account = new Account(this.rpc);
    this.evidence = new EvidenceBox(this);
    this.store = new Store({
      link: "connecting",
      status: /** @type {any} */ (null),
      view: "trade",
      pane: "chain",
      instrument: "",
      draft: { side: "buy", price: "", at: 0 },
      notices: /** @type {{id: number, text: string, kind: string}[]} */ ([]),
    });
    this.noticeIds = 0;
    this.rpc.onState = (link) => this.store.set({ link });
    this.rpc.onTrouble = (error) => this.tell(error.message, "bad");
    this.rpc.onOpen = () => this.open();
    this.rpc.onReply = (reply) => this.evidence.take(reply);
  }

  /** What a connection begins with. */
  async open() {
    const status = await this.rpc.call("public/status");
    this.store.set({ status });
    await this.market.load();
    try {
      await this.account.resume();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.account.drop();
      this.tell("The login has ended with the connection: log in again.", "bad");
    }
  }

  start() {
    if (!this.hasVenue) return;
    this.market.follow();
    this.rpc.connect();
  }

  /**
   * Choose an instrument, and say what is about to be done with it.
   * @param {string} instrument @param {string} side @param {boolean} toTicket
   */
  select(instrument, side = "", toTicket = false) {
    const { draft } = this.store.value;
    const ticker = this.market.tickers.get(instrument) ?? {};
    const price = side === "buy" ? ticker.best_ask_price : side === "sell" ? ticker.best_bid_price : "";
    this.store.set({ instrument, draft: { side: side || draft.side, price: price && !isZero(price) ? price : "", at: draft.at + 1 } });
    if (side || toTicket) this.store.set({ pane: "ticket" });
    if (toTicket) this.focus("#ticket-amount");
  }

  /** Take a price over into the ticket. @param {string} price */
  offer(price) {
    const { draft } = this.store.value;
    this.store.set({ draft: { ...draft, price, at: draft.at + 1 } });
  }

  /** Say something to the user. @param {string} text @param {"good"|"bad"} kind */
  tell(text, kind = "good") {
    this.noticeIds += 1;
    const notices = [...this.store.value.notices, { id: this.noticeIds, text, kind }].slice(-NOTICES);
    this.store.set({ notices });
  }

  /** @param {number} id */
  dismiss(id) {
    this.store.set({ notices: this.store.value.notices.filter((notice) => notice.id !== id) });
  }

  /** Put the cursor somewhere once it is drawn. @param {string} selector */
  focus(selector) {
    requestAnimationFrame(() => requestAnimationFrame(() => /** @type {HTMLElement|null} */ (document.querySelector(selector))?.focus()));
  }
}
