/** Audit: everything that vouches for an order, from what was signed to the transaction, each step verified here. */
import { base64Bytes, bytesOf, hexOf, same, short } from "./bytes.js";
import { money, rounded, textOf, PRICE_PLACES, QTY_PLACES } from "./decimal.js";
import { digestOf, typedData } from "./eip712.js";
import { checkReceipt } from "./evidence.js";
import { html } from "./html.js";
import { holds, leafHash, proved } from "./merkle.js";
import { recover } from "./secp.js";
import { View } from "./store.js";

/** @typedef {{title: string, verdict: "ok"|"bad"|"told"|"open", text: any}} Step */

export class AuditView extends View {
  constructor(props) {
    super(props);
    this.state = { id: "", steps: /** @type {Step[]} */ ([]), error: "", isBusy: false };
  }

  begin() {
    this.hash = () => this.follow();
    addEventListener("hashchange", this.hash);
    this.follow();
  }

  end() {
    removeEventListener("hashchange", this.hash);
  }

  /** The order is named by the address of the page. */
  follow() {
    const [view, id = ""] = location.hash.replace(/^#\/?/, "").split("/");
    if (view !== "audit" || id === this.state.id) return;
    this.setState({ id, steps: [], error: "" });
    if (id) this.audit(id);
  }

  /** @param {string} id */
  async audit(id) {
    const { context } = this.props;
    this.setState({ isBusy: true });
    try {
      const told = await context.archive.ask("order", { id });
      const steps = await stepsOf(told, context.evidence.of(id), context.store.value.status?.x_venue);
      if (this.state.id === id) this.setState({ steps, error: "" });
    } catch (error) {
      if (this.state.id === id) this.setState({ steps: [], error: error.message });
    }
    this.setState({ isBusy: false });
  }

  render() {
    const { context } = this.props;
    const { id, steps, error, isBusy } = this.state;
    const items = context.evidence.store.value.items;
    const go = (event) => {
      event.preventDefault();
      location.hash = `#/audit/${event.target.elements.id.value.trim()}`;
    };
    return html`<div class="stack"><section class="panel audit" aria-label="Audit"><h2>Audit an order</h2>
      ${!context.archive.exists && html`<p class="warn">This venue names no replay server: without one there is nothing to prove an order by. See Replay.</p>`}
      <form class="bar" onSubmit=${go}><label>Order <input name="id" class="seq" inputmode="numeric" value=${id} /></label><button>Audit</button>
        ${id && html`<button type="button" onClick=${() => this.audit(id)}>Again</button>`}<span class="faint" role="status">${isBusy ? "Asking…" : ""}</span></form>
      ${items.length > 0 && html`<p class="faint">Placed here: ${items.map((item) => html`<a key=${item.hash} href="#/audit/${item.orderId}">${item.orderId}</a> `)}</p>`}
      <p class="bad" role="status">${error}</p>
      <ol class="steps">${steps.map((step) => html`<li key=${step.title} class=${step.verdict} data-test="step" data-verdict=${step.verdict}><b>${step.title}</b> <span class="verdict">${WORDS[step.verdict]}</span><div>${step.text}</div></li>`)}</ol>
    </section></div>`;
  }
}

const WORDS = { ok: "verified", bad: "does not hold", told: "as the journal tells", open: "not known here" };

/**
 * @param {any} told what the replay server says @param {import("./evidence.js").Evidence|undefined} own what this page kept
 * @param {any} venue what the venue says of itself, where there is one
 */
async function stepsOf(told, own, venue) {
  const home = venue ?? told.venue;
  return [
    orderStep(told, own, home),
    signatureStep(told, home),
    authorityStep(told),
    await recordStep(told),
    await receiptStep(told, own, home),
    ...(await Promise.all(told.trades.map((trade) => tradeStep(trade, told)))),
    ...told.batches.map(batchStep),
    await proofStep(told),
  ];
}

/** @param {boolean} holds @param {string} title @param {any} text @returns {Step} */
function step(holds, title, text) {
  return { title, verdict: holds ? "ok" : "bad", text };
}

function orderStep({ order }, own, venue) {
  const digest = hexOf(digestOf(typedData(venue, order.kind, order.message)));
  const agrees = digest === order.hash && (own === undefined || own.hash === digest);
  const { message } = order;
  const words = `${message.isBuy ? "Buy" : "Sell"} ${rounded(textOf(BigInt(message.quantity), QTY_PLACES), 2)} of ${message.series ?? message.legs} at ${money(textOf(BigInt(message.limitPrice), PRICE_PLACES), 1)}, nonce ${message.nonce}`;
  return step(agrees, "Order", html`<p>${words}.</p><p class="mono" data-test="order-hash">${digest}</p>${own && html`<p class="faint">The same digest was signed on this page.</p>`}`);
}

function signatureStep({ order }, venue) {
  const signer = recover(digestOf(typedData(venue, order.kind, order.message)), order.signature);
  return step(signer === order.signer, "Signature", html`<p>Recovers to <span class="mono">${signer}</span>.</p><p class="mono faint">${order.signature}</p>`);
}

function authorityStep({ authority, order }) {
  if (authority.by === "owner") return step(authority.owner === order.signer, "Delegation", `None needed: the owner of account ${authority.account} signed (account opened by record ${authority.owner_seq}).`);
  if (authority.by === "key") {
    const { seq, scopes, expiry_s: expiry, revoked_seq: revoked } = authority.key;
    return step(true, "Delegation", `A session key, registered on chain by the owner ${authority.owner} (record ${seq}): ${scopes.join(", ")}; until second ${expiry}${revoked === "0" ? "" : `, revoked by record ${revoked}`}.`);
  }
  return step(false, "Delegation", "Whoever signed is neither the owner nor a key registered before.");
}

async function recordStep({ record, order }) {
  const bytes = base64Bytes(record.bytes);
  const isLeaf = same(await leafHash(bytes), bytesOf(record.leaf));
  const isThere = holds(bytes, bytesOf(order.signature)) || holds(bytes, base64Text(order.signature));
  return step(isLeaf && isThere, "Record", html`<p>Record ${record.seq} of ${record.time}, ${record.kind}, ${bytes.length} bytes; they hold the signature. <a href="#/replay">Replay</a></p><p class="mono faint">leaf ${record.leaf}</p>`);
}

/** Bytes may lie in a record as text. @param {string} hex */
function base64Text(hex) {
  return new TextEncoder().encode(btoa(String.fromCharCode(...bytesOf(hex))));
}

async function receiptStep({ record }, own, venue) {
  if (own?.receipt === undefined) return { title: "Receipt", verdict: /** @type {const} */ ("open"), text: "The operator's receipt went to whoever placed the order; this page was not there." };
  const { ok, signer } = checkReceipt(venue, own.receipt);
  const agrees = ok && own.receipt.seq === record.seq && own.receipt.record_hash === `0x${record.leaf}`;
  return step(agrees, "Receipt", html`<p>Signed by the operator <span class="mono">${short(signer)}</span> for record ${own.receipt.seq}, over the root of all records before it.</p><p class="mono faint">${own.receipt.signature}</p>`);
}

async function tradeStep(trade, { size, root }) {
  const isIn = await proved(trade.record, size, root);
  const text = `${rounded(textOf(BigInt(trade.qty), QTY_PLACES), 2)} at ${money(textOf(BigInt(trade.price), PRICE_PLACES), 1)}, record ${trade.record.seq}; ${trade.batch === null ? "waits for a batch" : `batch ${trade.batch}`}.`;
  return step(isIn, `Trade ${trade.trade_id}`, text);
}

function batchStep(batch) {
  if (batch.tx_hash === "") return { title: `Batch ${batch.number}`, verdict: /** @type {const} */ ("open"), text: `Sealed by record ${batch.sealed_seq}; not final on chain yet.` };
  const text = html`<p>Sealed by record ${batch.sealed_seq}, final in block ${batch.block}, ${batch.gas} gas (record ${batch.settled_seq}). Transaction:</p><p class="mono" data-test="transaction">${batch.tx_hash}</p>`;
  return { title: `Batch ${batch.number}`, verdict: /** @type {const} */ ("told"), text };
}

async function proofStep({ record, size, root, batches }) {
  const isIn = await proved(record, size, root);
  const where = batches.length > 0 ? "the root that the batch anchors on chain" : "the journal's root as it is now";
  return step(isIn, "Merkle proof", html`<p>${record.proof.length} hashes lead from record ${record.seq} to ${where}, over ${size} records. Verified by WebCrypto.</p><p class="mono" data-test="root">${root}</p>
    <p class="faint">That the contracts hold this root is for <code>verbatim-replay reconcile</code>, or anyone's node, to say.</p>`);
}
