/**
 * JSON whose numbers are never floats: what comes is kept as the text it came in, what goes is written as it is.
 * A double cannot hold every price exactly, and money is not to pass through one.
 */

const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** A decimal number on its way out, as its digits. */
export class Exact {
  /** @param {string} text */
  constructor(text) {
    if (!/^-?\d+(\.\d+)?$/.test(text)) throw new RangeError(`${text} is not a plain decimal number`);
    this.text = text;
  }
}

/**
 * Read a message; every number in it becomes a string of its digits.
 * @param {string} text
 * @returns {any}
 */
export function decode(text) {
  return JSON.parse(text.replace(TOKENS, (token) => (token[0] === '"' ? token : `"${token}"`)));
}

/**
 * Write a message. Numbers are `Exact`, `bigint` or whole; anything else that is a number is refused.
 * @param {any} value
 * @returns {string}
 */
export function encode(value) {
  if (value === null || typeof value === "boolean" || typeof value === "string") return JSON.stringify(value);
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Exact) return value.text;
  if (Array.isArray(value)) return `[${value.map(encode).join(",")}]`;
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is a float`);
    return String(value);
  }
  const items = Object.entries(value).filter(([, item]) => item !== undefined);
  return `{${items.map(([name, item]) => `${JSON.stringify(name)}:${encode(item)}`).join(",")}}`;
}
