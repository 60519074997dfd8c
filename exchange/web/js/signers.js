/** Who signs: a browser wallet (EIP-1193), or on a development chain a key that is pasted here and kept in memory only. */
import { bytesOf, hexOf } from "./bytes.js";
import { digestOf } from "./eip712.js";
import { addressOfKey, checksummed, personalDigest, signDigest } from "./secp.js";

/**
 * @typedef {object} Signer
 * @property {string} kind      wallet or key
 * @property {string} address
 * @property {(text: string) => Promise<string>} signText
 * @property {(data: any) => Promise<string>} signTyped
 */

const KEY_BYTES = 32;

/** The wallet of the browser, if it has one. */
export function provider() {
  return /** @type {any} */ (window).ethereum;
}

/** Ask the wallet for an address. Rejects as the wallet does. @param {string} chainId @returns {Promise<Signer>} */
export async function walletSigner(chainId) {
  const wallet = provider();
  if (wallet === undefined) throw new Error("this browser has no wallet");
  const [address] = await wallet.request({ method: "eth_requestAccounts" });
  const wanted = "0x" + BigInt(chainId).toString(16);
  if ((await wallet.request({ method: "eth_chainId" })) !== wanted) {
    await wallet.request({ method: "wallet_switchEthereumChain", params: [{ chainId: wanted }] });
  }
  return {
    kind: "wallet",
    address: checksummed(bytesOf(address)),
    signText: (text) => wallet.request({ method: "personal_sign", params: [hexOf(new TextEncoder().encode(text)), address] }),
    signTyped: (data) => wallet.request({ method: "eth_signTypedData_v4", params: [address, JSON.stringify(data)] }),
  };
}

/** A development key. Throws for what is none. @param {string} text @returns {Signer} */
export function keySigner(text) {
  const key = bytesOf(text.trim());
  if (key.length !== KEY_BYTES) throw new RangeError("a private key is 0x and 64 hexadecimal digits");
  if (globalThis.crypto?.subtle === undefined) throw new Error("signing here needs https, or the venue on this machine");
  return {
    kind: "key",
    address: addressOfKey(key),
    signText: (words) => signDigest(personalDigest(words), key),
    signTyped: (data) => signDigest(digestOf(data), key),
  };
}
