/** Keys: arrows within a group of controls of which one is a stop (roving tabindex), and single letters for the page. */

/** What the page does for a letter, where nobody is typing. The help view lists them. */
export const KEYS = [
  { key: "1 … 8", text: "the views, in the order of the bar" },
  { key: "c", text: "to the option chain: arrows move between strikes and sides, Enter chooses" },
  { key: "b / s", text: "in the chain: buy or sell what is under the cursor; elsewhere: what is chosen" },
  { key: "o", text: "to the orders of the blotter" },
  { key: "t", text: "dark or light" },
  { key: "?", text: "this list" },
  { key: "← →", text: "in tabs and on the line of the replay; Home and End to its ends" },
  { key: "Esc", text: "out of a field" },
];

/**
 * Arrows, Home and End among the siblings that match.
 * @param {KeyboardEvent} event
 * @param {string} selector
 */
export function move(event, selector) {
  const group = /** @type {HTMLElement} */ (event.currentTarget);
  const all = /** @type {HTMLElement[]} */ ([...group.querySelectorAll(selector)]);
  const here = all.indexOf(/** @type {HTMLElement} */ (event.target));
  const steps = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: all.length - 1 };
  if (here < 0 || !(event.key in steps)) return;
  event.preventDefault();
  const next = all[(steps[event.key] + all.length) % all.length];
  next.focus();
  next.click();
}

/** Whether keys are text just now. @param {EventTarget|null} target */
export function isTyping(target) {
  return target instanceof HTMLInputElement || target instanceof HTMLSelectElement || target instanceof HTMLTextAreaElement;
}
