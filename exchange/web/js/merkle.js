/** Proofs that a record is in the journal (RFC 6962), with the SHA-256 of the browser (WebCrypto). */
import { base64Bytes, bytesOf, joined, same } from "./bytes.js";

/** @param {Uint8Array} bytes */
async function sha256(bytes) {
  const subtle = globalThis.crypto?.subtle;
  if (subtle === undefined) throw new Error("proofs are verified by WebCrypto, which needs https, or a venue on this machine");
  return new Uint8Array(await subtle.digest("SHA-256", bytes));
}

/** Hash of a leaf: over a zero byte and the record. @param {Uint8Array} record */
export function leafHash(record) {
  return sha256(joined(Uint8Array.of(0), record));
}

/** @param {Uint8Array} left @param {Uint8Array} right */
function nodeHash(left, right) {
  return sha256(joined(Uint8Array.of(1), left, right));
}

/**
 * The root that a proof leads to from leaf `index` of `size`; null where the proof does not fit the tree.
 * @param {Uint8Array} leaf @param {number} index @param {number} size @param {string[]} proof hashes in hex, from below
 */
export async function rootFrom(leaf, index, size, proof) {
  if (index < 0 || index >= size) return null;
  let [node, at, last] = [leaf, index, size - 1];
  for (const sibling of proof.map(bytesOf)) {
    if (last === 0) return null;
    if (at % 2 === 1 || at === last) {
      node = await nodeHash(sibling, node);
      while (at % 2 === 0 && at !== 0) [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
    } else node = await nodeHash(node, sibling);
    [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
  }
  return last === 0 ? node : null;
}

/**
 * Whether a record is what it is said to be and where.
 * @param {{seq: string, bytes: string, leaf: string, proof: string[]}} record @param {string} size @param {string} root
 */
export async function proved(record, size, root) {
  const leaf = await leafHash(base64Bytes(record.bytes));
  if (!same(leaf, bytesOf(record.leaf))) return false;
  const found = await rootFrom(leaf, Number(record.seq) - 1, Number(size), record.proof);
  return found !== null && same(found, bytesOf(root));
}

/** Whether bytes stand somewhere in others. @param {Uint8Array} whole @param {Uint8Array} part */
export function holds(whole, part) {
  for (let at = 0; at + part.length <= whole.length; at += 1) {
    if (part.every((byte, place) => whole[at + place] === byte)) return true;
  }
  return false;
}
