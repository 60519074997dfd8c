/** What the venue has signed to this page: receipts, checked as they come, and the orders they are for. */
import { hexOf } from "./bytes.js";
import { digestOf, typedData } from "./eip712.js";
import { recover } from "./secp.js";
import { Store } from "./store.js";

const KEPT = 200;

/** @typedef {{hash: string, signature: string, data: any, orderId: string, receipt: any}} Evidence */

export class EvidenceBox {
  /** @param {import("./context.js").Context} context */
  constructor(context) {
    this.context = context;
    this.store = new Store({ items: /** @type {Evidence[]} */ ([]), checked: 0 });
  }

  /** Look for a receipt in an answer, and check it. @param {any} reply */
  take(reply) {
    const receipt = reply.x_receipt ?? reply.result?.receipt ?? reply.error?.data?.receipt;
    if (receipt === undefined || receipt === null) return;
    const { ok, signer } = checkReceipt(this.context.store.value.status.x_venue, receipt);
    if (!ok) this.context.tell(`the receipt of record ${receipt.seq} is signed by ${signer}, not by the operator`, "bad");
    this.store.set({ checked: this.store.value.checked + 1 });
  }

  /** @param {Evidence} item */
  keep(item) {
    this.store.set({ items: [item, ...this.store.value.items].slice(0, KEPT) });
  }

  /** @param {string} orderId */
  of(orderId) {
    return this.store.value.items.find((item) => item.orderId === orderId);
  }
}

/** Whether the operator signed a receipt, and who did. @param {any} venue @param {any} receipt */
export function checkReceipt(venue, receipt) {
  const message = { seq: receipt.seq, priorRoot: receipt.prior_root, recordHash: receipt.record_hash, timeNs: receipt.time_ns };
  const digest = digestOf(typedData(venue, "Receipt", message));
  let signer = "nobody";
  try {
    signer = recover(digest, receipt.signature);
  } catch (error) {
    signer = `nobody (${/** @type {Error} */ (error).message})`;
  }
  return { ok: signer === venue.operator, signer, digest: hexOf(digest) };
}
