/** Decimal text and whole units, without floats. Prices are 1e-6 USDC, amounts 1e-4 contract, as they are signed. */

const FORM = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;
const DIGITS_MAX = 80;

export const PRICE_PLACES = 6;
export const QTY_PLACES = 4;

/**
 * @typedef {{negative: boolean, digits: string, scale: number}} Parts  value = digits / 10^scale
 * @param {string} text
 * @returns {Parts}
 */
function partsOf(text) {
  const found = FORM.exec(String(text).trim());
  if (found === null) throw new RangeError(`${text} is not a number`);
  const [, sign, whole, fraction = "", exponent = "0"] = found;
  const scale = fraction.length - parseInt(exponent, 10);
  if (whole.length + fraction.length > DIGITS_MAX || Math.abs(scale) > DIGITS_MAX) throw new RangeError(`${text} is too long`);
  return { negative: sign === "-", digits: whole + fraction, scale };
}

/**
 * Whole units of so many decimal places. Throws RangeError where the text is finer.
 * @param {string} text
 * @param {number} places
 * @returns {bigint}
 */
export function unitsOf(text, places) {
  const { negative, digits, scale } = partsOf(text);
  const shift = places - scale;
  let value = BigInt(digits);
  if (shift >= 0) value *= 10n ** BigInt(shift);
  else {
    const divisor = 10n ** BigInt(-shift);
    if (value % divisor !== 0n) throw new RangeError(`${text} is finer than ${places} decimals`);
    value /= divisor;
  }
  return negative ? -value : value;
}

/**
 * For display: rounded half away from zero to so many decimals.
 * @param {string} text
 * @param {number} places
 */
export function rounded(text, places) {
  const { negative, digits, scale } = partsOf(text);
  const shift = scale - places;
  let value = BigInt(digits);
  if (shift <= 0) value *= 10n ** BigInt(-shift);
  else {
    const divisor = 10n ** BigInt(shift);
    value = (value + divisor / 2n) / divisor;
  }
  return fixedText(negative ? -value : value, places, places);
}

/**
 * Units as decimal text, the shortest that is exact.
 * @param {bigint} value
 * @param {number} places
 */
export function textOf(value, places) {
  const text = fixedText(value, places, places);
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/**
 * Units of `scale` decimals with `places` of them shown (cut off, not rounded).
 * @param {bigint} value
 * @param {number} scale
 * @param {number} places
 */
function fixedText(value, scale, places) {
  const negative = value < 0n;
  const digits = (negative ? -value : value).toString().padStart(scale + 1, "0");
  const whole = digits.slice(0, digits.length - scale);
  const fraction = digits.slice(digits.length - scale, digits.length - scale + places);
  const text = fraction ? `${whole}.${fraction}` : whole;
  return negative && /[1-9]/.test(text) ? `-${text}` : text;
}

/** Thousands set apart. @param {string} text */
export function grouped(text) {
  const [whole, fraction] = text.split(".");
  const set = whole.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  return fraction === undefined ? set : `${set}.${fraction}`;
}

/** How many decimals a step like 0.01 has. @param {string} step */
export function placesOf(step) {
  const { digits, scale } = partsOf(step);
  const zeros = /0*$/.exec(digits)?.[0].length ?? 0;
  return Math.max(scale - zeros, 0);
}

/** An amount of money for display, blank while it is not known. @param {string|null|undefined} text @param {number} places */
export function money(text, places = 2) {
  return text === null || text === undefined || text === "" ? "" : grouped(rounded(text, places));
}

/** Whether the text is zero. @param {string} text */
export function isZero(text) {
  return /^-?0+(\.0+)?$/.test(text);
}
