/** Bytes and their spelling in hex. */

/** @param {Uint8Array} bytes */
export function hexOf(bytes) {
  return "0x" + Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {string} text with or without 0x; throws RangeError for anything but whole bytes */
export function bytesOf(text) {
  const digits = text.replace(/^0x/, "");
  if (!/^([0-9a-fA-F]{2})*$/.test(digits)) throw new RangeError("not bytes in hex");
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** @param {string} text */
export function base64Bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** @param {Uint8Array[]} parts */
export function joined(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** @param {Uint8Array} a @param {Uint8Array} b */
export function same(a, b) {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/** Text of a long hash: its beginning and end. @param {string} text */
export function short(text) {
  return text.length > 20 ? `${text.slice(0, 10)}…${text.slice(-8)}` : text;
}
