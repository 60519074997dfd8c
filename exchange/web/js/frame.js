/** Work put off to the next frame of the screen; what is asked for again before then is done once. */

/** @type {Map<unknown, () => void>} */
const due = new Map();
let asked = false;

/**
 * Do something before the next frame. A later call with the same key takes the place of an earlier one.
 * @param {unknown} key
 * @param {() => void} act
 */
export function onFrame(key, act) {
  due.set(key, act);
  if (asked) return;
  asked = true;
  requestAnimationFrame(run);
}

function run() {
  asked = false;
  const acts = [...due.values()];
  due.clear();
  for (const act of acts) act();
}
