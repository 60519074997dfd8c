/** What is signed, and its digest (EIP-712): the types of the venue as docs/API.md has them, in the domain of Clearing. */
import { bytesOf, joined } from "./bytes.js";
import { keccak } from "./secp.js";

const DOMAIN = [
  { name: "name", type: "string" },
  { name: "version", type: "string" },
  { name: "chainId", type: "uint256" },
  { name: "verifyingContract", type: "address" },
];
const shared = "bool isBuy,uint64 quantity,LIMIT limitPrice,uint64 maxFee,uint8 timeInForce,bool postOnly,bool reduceOnly,uint64 replaces,uint64 nonce,uint64 expiry,bytes32 terms";
const ofSeries = `uint32 account,uint32 series,${shared.replace("LIMIT", "uint64")}`;
const ofCombo = `uint32 account,uint256 legs,${shared.replace("LIMIT", "int64")}`;

/** @type {Record<string, {name: string, type: string}[]>} */
export const TYPES = {
  Order: members(ofSeries),
  ComboOrder: members(ofCombo),
  RfqOrder: members(ofSeries),
  RfqComboOrder: members(ofCombo),
  Terms: members(
    "uint64 display,uint8 selfTrade,bool slide,bool market,uint8 trigger,uint64 triggerPrice,bool triggerAbove,uint8 link,uint64 parent,uint8 attached,string protection,int64 delta,uint64 vega",
  ),
  RfqTerms: members("uint64 rfq,bool whole,string protection,int64 delta,uint64 vega"),
  Receipt: members("uint64 seq,bytes32 priorRoot,bytes32 recordHash,uint64 timeNs"),
};
export const NO_TERMS = "0x" + "00".repeat(32);

/** @param {string} text */
function members(text) {
  return text.split(",").map((member) => {
    const [type, name] = member.split(" ");
    return { name, type };
  });
}

/**
 * What a wallet is shown (`eth_signTypedData_v4`). Values are decimal text, booleans or hex.
 * @param {{chain_id: string, clearing: string}} venue
 * @param {string} kind @param {Record<string, any>} message
 */
export function typedData(venue, kind, message) {
  const domain = { name: "Verbatim", version: "1", chainId: venue.chain_id, verifyingContract: venue.clearing };
  return { types: { EIP712Domain: DOMAIN, [kind]: TYPES[kind] }, domain, primaryType: kind, message };
}

/** The 32 bytes that are signed. @param {ReturnType<typeof typedData>} data */
export function digestOf(data) {
  const domain = structHash("EIP712Domain", DOMAIN, data.domain);
  return keccak(joined(Uint8Array.of(0x19, 0x01), domain, structHash(data.primaryType, data.types[data.primaryType], data.message)));
}

/** @param {string} kind @param {Record<string, any>} message */
export function hashOf(kind, message) {
  return structHash(kind, TYPES[kind], message);
}

/** @param {string} kind @param {{name: string, type: string}[]} fields @param {Record<string, any>} values */
function structHash(kind, fields, values) {
  const text = `${kind}(${fields.map(({ name, type }) => `${type} ${name}`).join(",")})`;
  return keccak(joined(keccak(new TextEncoder().encode(text)), ...fields.map(({ name, type }) => word(type, values[name]))));
}

/** @param {string} type @param {any} value */
function word(type, value) {
  if (type === "string") return keccak(new TextEncoder().encode(value));
  if (type === "bytes32" || type === "address") return leftPadded(bytesOf(value), type === "address" ? 20 : 32);
  const number = typeof value === "boolean" ? BigInt(value) : BigInt(value);
  const bits = type === "bool" ? 1n : BigInt(type.replace(/^u?int/, ""));
  const signed = type.startsWith("int");
  const [low, high] = signed ? [-(1n << (bits - 1n)), 1n << (bits - 1n)] : [0n, 1n << bits];
  if (number < low || number >= high) throw new RangeError(`${value} does not fit ${type}`);
  return bytesOf((number < 0n ? number + (1n << 256n) : number).toString(16).padStart(64, "0"));
}

/** @param {Uint8Array} bytes @param {number} length */
function leftPadded(bytes, length) {
  if (bytes.length !== length) throw new RangeError(`${bytes.length} bytes where ${length} are needed`);
  return joined(new Uint8Array(32 - length), bytes);
}
