/** The login, the account it acts for, and what its private channels tell: orders, positions, margin, trades. */
import { hexOf } from "./bytes.js";
import { onFrame } from "./frame.js";
import { Store } from "./store.js";

const TRADES = 100;
const DONE = 50;

/** @typedef {import("./signers.js").Signer} Signer */

export class Account {
  /** @param {import("./rpc.js").Rpc} rpc */
  constructor(rpc) {
    this.rpc = rpc;
    /** @type {Signer|null} */
    this.signer = null;
    this.refreshToken = "";
    this.nonce = 0n;
    /** @type {(() => void)[]} */
    this.ends = [];
    this.store = new Store({
      id: "",
      address: "",
      kind: "",
      summary: /** @type {any} */ (null),
      orders: /** @type {Map<string, any>} */ (new Map()),
      done: /** @type {any[]} */ ([]),
      positions: /** @type {any[]} */ ([]),
      trades: /** @type {any[]} */ ([]),
    });
  }

  get isIn() {
    return this.store.value.id !== "";
  }

  /** Log in as whoever signs. @param {Signer} signer */
  async login(signer) {
    const timestamp = await this.rpc.call("public/get_time");
    const nonce = hexOf(crypto.getRandomValues(new Uint8Array(8)));
    const signature = await signer.signText(`${timestamp}\n${nonce}\n`);
    const params = { grant_type: "client_signature", client_id: signer.address, timestamp: BigInt(timestamp), nonce, data: "", signature };
    await this.granted(await this.rpc.call("public/auth", params), signer);
  }

  /** The connection is new: take the login along. */
  async resume() {
    const { signer, refreshToken } = this;
    if (signer === null) return;
    await this.granted(await this.rpc.call("public/auth", { grant_type: "refresh_token", refresh_token: refreshToken }), signer);
  }

  /** @param {any} grant @param {Signer} signer */
  async granted(grant, signer) {
    const summary = await this.rpc.call("private/get_account_summary", { currency: "USDC" });
    const isNew = this.signer === null;
    this.signer = signer;
    this.refreshToken = grant.refresh_token;
    const next = BigInt(summary.x_next_nonce);
    this.nonce = next > this.nonce ? next : this.nonce;
    this.store.set({ id: summary.id, address: signer.address, kind: signer.kind, summary });
    if (isNew) this.listen();
    await this.read();
  }

  /** Forget the key and the login, here and at the venue. */
  logout() {
    this.drop();
    this.rpc.leave();
  }

  /** Forget them here. */
  drop() {
    for (const end of this.ends) end();
    this.ends = [];
    this.signer = null;
    this.nonce = 0n;
    this.store.set({ id: "", address: "", kind: "", summary: null, orders: new Map(), done: [], positions: [], trades: [] });
  }

  listen() {
    this.ends = [
      this.rpc.hear("user.orders.any.any.raw", (order) => this.hearOrder(order)),
      this.rpc.hear("user.trades.any.any.raw", (trades) => this.hearTrades(trades)),
      this.rpc.hear("user.portfolio.usdc", (data) => this.hearSummary(data)),
    ];
  }

  /** A nonce nobody has used. */
  takeNonce() {
    const nonce = this.nonce;
    this.nonce += 1n;
    return nonce;
  }

  /** Everything as it stands, by asking. */
  async read() {
    const [orders, trades] = await Promise.all([
      this.rpc.call("private/get_open_orders", { kind: "any" }),
      this.rpc.call("private/get_user_trades_by_currency", { currency: "any", kind: "any", count: TRADES }),
      this.readPositions(),
    ]);
    this.store.set({ orders: new Map(orders.filter((order) => this.isMine(order)).map((order) => [order.order_id, order])) });
    this.hearTrades(trades.trades);
  }

  async readPositions() {
    const positions = await this.rpc.call("private/get_positions", { currency: "any", kind: "any" });
    this.store.set({ positions: positions.filter((position) => position.direction !== "zero") });
  }

  /** A login may hear several accounts; this page shows one. @param {any} item */
  isMine(item) {
    return item.x_account === this.store.value.id;
  }

  /** @param {any} order */
  hearOrder(order) {
    if (!this.isMine(order)) return;
    const { orders, done } = this.store.value;
    const isOpen = order.order_state === "open" || order.order_state === "untriggered";
    if (isOpen) orders.set(order.order_id, order);
    else if (orders.delete(order.order_id) || order.filled_amount !== "0.0") {
      this.store.set({ done: [order, ...done.filter((item) => item.order_id !== order.order_id)].slice(0, DONE) });
    }
    this.store.touch();
  }

  /** @param {any[]} found */
  hearTrades(found) {
    const mine = found.filter((trade) => this.isMine(trade));
    if (mine.length === 0) return;
    const known = new Map(this.store.value.trades.map((trade) => [trade.trade_id, trade]));
    for (const trade of mine) known.set(trade.trade_id, trade);
    const trades = [...known.values()].sort((a, b) => Number(b.trade_seq) - Number(a.trade_seq)).slice(0, TRADES);
    this.store.set({ trades });
    onFrame(`positions of ${this.store.value.id}`, () => this.readPositions().catch((error) => this.rpc.trouble(error)));
  }

  /** @param {any} data */
  hearSummary(data) {
    if (this.isMine(data)) this.store.set({ summary: { ...this.store.value.summary, ...data } });
  }
}
