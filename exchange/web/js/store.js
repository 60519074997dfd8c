/** A value that many look at: told of a change at the next frame, however often it changed until then. */
import { onFrame } from "./frame.js";
import { Component } from "./html.js";

/** @template T */
export class Store {
  /** @param {T} value */
  constructor(value) {
    this.value = value;
    /** @type {Set<(value: T) => void>} */
    this.watchers = new Set();
  }

  /** Replace some fields. @param {Partial<T>} patch */
  set(patch) {
    this.value = { ...this.value, ...patch };
    this.touch();
  }

  /** Say that something inside the value changed. */
  touch() {
    onFrame(this, () => {
      for (const watcher of [...this.watchers]) watcher(this.value);
    });
  }

  /** @param {(value: T) => void} watcher @returns {() => void} what ends it */
  watch(watcher) {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  }
}

/** A part of the page that draws itself anew when one of its stores changes. */
export class View extends Component {
  /** The stores it looks at. @returns {Store<any>[]} */
  stores() {
    return [];
  }

  componentDidMount() {
    this.ends = this.stores().map((store) => store.watch(() => this.setState({})));
    this.begin();
  }

  componentWillUnmount() {
    for (const end of this.ends ?? []) end();
    this.end();
  }

  begin() {}

  end() {}
}
