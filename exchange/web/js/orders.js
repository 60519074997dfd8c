/** Orders: what is signed, what is sent, and that the venue says back what was signed. */
import { hexOf } from "./bytes.js";
import { PRICE_PLACES, QTY_PLACES, unitsOf } from "./decimal.js";
import { digestOf, hashOf, NO_TERMS, typedData } from "./eip712.js";
import { Exact } from "./wire.js";

const NEVER = 4_294_967_295n;
const RATE_PLACES = 18;
const TIFS = { good_til_cancelled: 0n, immediate_or_cancel: 1n, fill_or_kill: 2n };
const EMPTY_TERMS = { display: 0n, selfTrade: 0n, slide: false, market: false, trigger: 0n, triggerPrice: 0n, triggerAbove: false, link: 0n, parent: 0n, attached: 0n, protection: "", delta: 0n, vega: 0n };

/**
 * @typedef {object} Wanted
 * @property {any} instrument     as the venue lists it
 * @property {"buy"|"sell"} side
 * @property {string} amount      contracts, decimal text
 * @property {string} price       USDC, decimal text; of a market order the worst price
 * @property {boolean} [isMarket]
 * @property {keyof typeof TIFS} [tif]
 * @property {boolean} [postOnly]
 * @property {boolean} [reduceOnly]
 * @property {string} [label]
 * @property {string} [replaces]  in an edit, the nonce of the order's latest authorisation
 * @property {{id: string, whole: boolean}} [rfq]  the request for quotes that it is good for
 */

/** The most that a fee may be per contract: twice the taker's rate on the index, in 1e-6 USDC, rounded up. @param {any} instrument @param {string} spot */
export function feeBound(instrument, spot) {
  const rate = unitsOf(instrument.taker_commission, RATE_PLACES);
  const weight = (instrument.x_legs ?? [["", "1"]]).reduce((sum, [, ratio]) => sum + abs(BigInt(ratio)), 0n);
  return ((2n * rate * unitsOf(spot, PRICE_PLACES)) / 10n ** BigInt(RATE_PLACES) + 1n) * weight;
}

/** @param {bigint} value */
function abs(value) {
  return value < 0n ? -value : value;
}

/** The word that legs are signed as: 64 bits for each, the first lowest. @param {[string, string][]} legs */
export function legsWord(legs) {
  return legs.reduce((word, [series, ratio], at) => word | (((BigInt(series) << 16n) | BigInt.asUintN(16, BigInt(ratio))) << BigInt(64 * at)), 0n);
}

/** @param {Wanted} wanted */
function termsOf(wanted) {
  if (wanted.rfq) return hexOf(hashOf("RfqTerms", { rfq: BigInt(wanted.rfq.id), whole: wanted.rfq.whole, protection: "", delta: 0n, vega: 0n }));
  return wanted.isMarket ? hexOf(hashOf("Terms", { ...EMPTY_TERMS, market: true })) : NO_TERMS;
}

/**
 * What has to be signed. Throws RangeError for numbers finer than can be signed.
 * @param {import("./context.js").Context} context @param {Wanted} wanted @param {bigint} nonce
 */
export function orderData(context, wanted, nonce) {
  const { instrument } = wanted;
  const isCombo = instrument.x_legs !== undefined;
  const message = {
    account: BigInt(context.account.store.value.id),
    ...(isCombo ? { legs: legsWord(instrument.x_legs) } : { series: BigInt(instrument.instrument_id) }),
    isBuy: wanted.side === "buy",
    quantity: unitsOf(wanted.amount, QTY_PLACES),
    limitPrice: unitsOf(wanted.price, PRICE_PLACES),
    maxFee: feeBound(instrument, context.market.store.value.spot),
    timeInForce: TIFS[wanted.tif ?? "good_til_cancelled"],
    postOnly: wanted.postOnly ?? false,
    reduceOnly: wanted.reduceOnly ?? false,
    replaces: wanted.replaces === undefined ? 0n : BigInt(wanted.replaces) + 1n,
    nonce,
    expiry: NEVER,
    terms: termsOf(wanted),
  };
  const kind = `${wanted.rfq ? "Rfq" : ""}${isCombo ? "ComboOrder" : "Order"}`;
  return typedData(context.store.value.status.x_venue, kind, plain(message));
}

/** Whole numbers as decimal text: what wallets take. @param {Record<string, any>} message */
function plain(message) {
  return Object.fromEntries(Object.entries(message).map(([name, value]) => [name, typeof value === "bigint" ? value.toString() : value]));
}

/** Have it signed: the authorization object, and the digest. @param {import("./context.js").Context} context @param {Wanted} wanted */
export async function authorise(context, wanted) {
  const data = orderData(context, wanted, context.account.takeNonce());
  const { signer } = context.account;
  if (signer === null) throw new Error("nobody is logged in");
  const signature = await signer.signTyped(data);
  const { account, nonce, expiry, maxFee, replaces } = data.message;
  const authorization = { account: BigInt(account), nonce: BigInt(nonce), expiry: BigInt(expiry), max_fee: BigInt(maxFee), replaces: BigInt(replaces), signature };
  return { data, signature, hash: hexOf(digestOf(data)), authorization };
}

/** Place an order. Rejects with what the wallet or the venue refuses. @param {import("./context.js").Context} context @param {Wanted} wanted */
export async function place(context, wanted) {
  const signed = await authorise(context, wanted);
  const params = {
    instrument_name: wanted.instrument.instrument_name,
    amount: new Exact(wanted.amount),
    price: new Exact(wanted.price),
    type: wanted.isMarket ? "market" : "limit",
    time_in_force: wanted.tif ?? "good_til_cancelled",
    post_only: wanted.postOnly ?? false,
    ...(wanted.postOnly ? { reject_post_only: true } : {}),
    reduce_only: wanted.reduceOnly ?? false,
    ...(wanted.label ? { label: wanted.label } : {}),
    authorization: signed.authorization,
  };
  return kept(context, signed, await context.rpc.call(`private/${wanted.side}`, params));
}

/** Replace an open order by another amount and price. @param {import("./context.js").Context} context @param {any} order @param {string} amount @param {string} price */
export async function edit(context, order, amount, price) {
  const instrument = context.market.instrument(order.instrument_name);
  const wanted = { instrument, side: order.direction, amount, price, replaces: order.x_nonce, postOnly: order.post_only, reduceOnly: order.reduce_only };
  const signed = await authorise(context, wanted);
  const params = { order_id: order.order_id, amount: new Exact(amount), price: new Exact(price), post_only: order.post_only, reject_post_only: true, reduce_only: order.reduce_only };
  return kept(context, signed, await context.rpc.call("private/edit", { ...params, authorization: signed.authorization }));
}

/** The venue must say back the digest that was signed here; anything else is told, and kept as evidence. */
export function kept(context, signed, result) {
  if (result.x_order_hash !== undefined && result.x_order_hash !== signed.hash) {
    context.tell(`the venue answered for order ${result.x_order_hash}, signed was ${signed.hash}`, "bad");
  }
  context.evidence.keep({ hash: signed.hash, signature: signed.signature, data: signed.data, orderId: result.order?.order_id ?? "", receipt: result.receipt });
  return result;
}
