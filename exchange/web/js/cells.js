/**
 * Cells that change often: their text is written straight into them, once a frame, and only where it differs.
 * A template gives a cell its key by `ref=${cells.ref(key)}` and no children.
 */
import { onFrame } from "./frame.js";

/** @typedef {{text: string, mark: string}} Content  mark: what style the cell has now, "" for none */

export class Cells {
  constructor() {
    /** @type {Map<string, HTMLElement>} */
    this.nodes = new Map();
    /** @type {Map<string, Content>} */
    this.contents = new Map();
    /** @type {Map<string, (node: HTMLElement|null) => void>} */
    this.refs = new Map();
    /** @type {Set<string>} */
    this.changed = new Set();
    this.flush = this.flush.bind(this);
  }

  /** The ref callback of a key, always the same one. @param {string} key */
  ref(key) {
    let ref = this.refs.get(key);
    if (ref === undefined) {
      ref = (node) => this.place(key, node);
      this.refs.set(key, ref);
    }
    return ref;
  }

  /** @param {string} key @param {HTMLElement|null} node */
  place(key, node) {
    if (node === null) {
      this.nodes.delete(key);
      return;
    }
    this.nodes.set(key, node);
    this.write(key, node);
  }

  /** Say what a cell holds from now on. @param {string} key @param {string} text @param {string} mark */
  set(key, text, mark = "") {
    const held = this.contents.get(key);
    if (held !== undefined && held.text === text && held.mark === mark) return;
    this.contents.set(key, { text, mark });
    this.changed.add(key);
    onFrame(this, this.flush);
  }

  /** Forget everything, nodes included. */
  clear() {
    for (const map of [this.nodes, this.contents, this.refs, this.changed]) map.clear();
  }

  flush() {
    for (const key of this.changed) {
      const node = this.nodes.get(key);
      if (node !== undefined) this.write(key, node);
    }
    this.changed.clear();
  }

  /** @param {string} key @param {HTMLElement} node */
  write(key, node) {
    const content = this.contents.get(key);
    if (content === undefined) return;
    const first = node.firstChild;
    if (first instanceof Text) first.data = content.text;
    else node.textContent = content.text;
    if ((node.dataset.mark ?? "") !== content.mark) node.dataset.mark = content.mark;
  }
}
