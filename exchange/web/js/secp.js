/** Who signed a digest, and signing one: secp256k1 and keccak of the noble libraries, nothing of our own. */
import { keccak_256 } from "../vendor/noble-hashes/sha3.js";
import { getPublicKey, recoverPublicKey, signAsync } from "../vendor/noble-secp256k1/index.js";
import { bytesOf, hexOf, joined } from "./bytes.js";

export const keccak = keccak_256;

/** EIP-55 spelling. @param {Uint8Array} address */
export function checksummed(address) {
  const digits = hexOf(address).slice(2);
  const pattern = hexOf(keccak(new TextEncoder().encode(digits))).slice(2);
  return "0x" + [...digits].map((digit, at) => (parseInt(pattern[at], 16) >= 8 ? digit.toUpperCase() : digit)).join("");
}

/** @param {Uint8Array} uncompressed a public key of 65 bytes */
function addressOf(uncompressed) {
  return checksummed(keccak(uncompressed.slice(1)).slice(12));
}

/** @param {Uint8Array} key */
export function addressOfKey(key) {
  return addressOf(getPublicKey(key, false));
}

/** The 65 bytes of r, s, v that contracts read. Needs WebCrypto. @param {Uint8Array} digest @param {Uint8Array} key */
export async function signDigest(digest, key) {
  const signed = await signAsync(digest, key, { prehash: false, format: "recovered" });
  return hexOf(joined(signed.slice(1), Uint8Array.of(signed[0] + 27)));
}

/** Address whose key made a signature. Throws where nobody can have. @param {Uint8Array} digest @param {string} signature */
export function recover(digest, signature) {
  const bytes = bytesOf(signature);
  if (bytes.length !== 65) throw new RangeError(`a signature has 65 bytes, not ${bytes.length}`);
  const recovered = joined(Uint8Array.of(bytes[64] - 27), bytes.slice(0, 64));
  return addressOf(recoverPublicKey(recovered, digest, { prehash: false, isCompressed: false }));
}

/** Digest of a text as wallets sign it (EIP-191). @param {string} text */
export function personalDigest(text) {
  const raw = new TextEncoder().encode(text);
  return keccak(joined(new TextEncoder().encode(`\x19Ethereum Signed Message:\n${raw.length}`), raw));
}
