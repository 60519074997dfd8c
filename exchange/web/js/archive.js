/** The replay server: a journal's own reader, beside the venue or without it. What it says is checked, not believed. */
import { decode } from "./wire.js";

export class Archive {
  /** @param {string} base "" where there is none, "/" where it serves this page itself */
  constructor(base) {
    this.base = base.replace(/\/$/, "");
    this.exists = base !== "";
  }

  /** Ask. Rejects with the server's sentence. @param {string} what @param {Record<string, string>} query */
  async ask(what, query = {}) {
    const response = await fetch(`${this.base}/replay/v1/${what}?${new URLSearchParams(query)}`);
    const told = decode(await response.text());
    if (!response.ok) throw new Error(told.error);
    return told;
  }

  /**
   * The venue after a record. A far one is walked to in steps, each told.
   * @param {Record<string, string>} query @param {(seq: string) => boolean} step false to give up
   */
  async at(query, step) {
    for (;;) {
      const told = await this.ask("at", query);
      if (told.arrived) return told;
      if (!step(told.seq)) return null;
    }
  }
}
