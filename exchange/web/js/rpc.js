/**
 * One connection to the venue: calls, channels, heartbeats; when it is lost it comes back by itself and hears the same
 * channels again. What it speaks is the public dialect and nothing else.
 */
import { decode, encode } from "./wire.js";

const HEARTBEAT_S = 30;
const BACKOFF_MS = 500;
const BACKOFF_MAX_MS = 15_000;
const CHANNELS_AT_ONCE = 100;
const PRIVATE = /^(user\.|block_rfq\.(taker|maker))/;

/** The venue said no: its code, its words, and what it said besides. */
export class Refusal extends Error {
  /** @param {{code: string, message: string, data?: any}} error */
  constructor(error) {
    const data = error.data ?? {};
    super(data.rule ?? data.reason ?? error.message);
    this.code = error.code;
    this.word = error.message;
    this.data = data;
  }
}

/** The connection ended before an answer came. What was asked may have been done. */
export class Lost extends Error {
  constructor() {
    super("the connection was lost before the answer came");
  }
}

/** @typedef {(data: any) => void} Hear */

export class Rpc {
  /** @param {string} url */
  constructor(url) {
    this.url = url;
    this.ids = 0;
    this.tries = 0;
    /** @type {WebSocket|null} */
    this.socket = null;
    /** @type {Map<string, {resolve: (value: any) => void, reject: (error: Error) => void}>} */
    this.waiting = new Map();
    /** @type {Map<string, Set<Hear>>} */
    this.channels = new Map();
    /** @type {Set<string>} channels to be asked for at the end of this turn */
    this.fresh = new Set();
    /** @type {Set<string>} channels that nobody hears any more */
    this.stale = new Set();
    /** @type {(state: "connecting"|"open"|"lost") => void} */
    this.onState = () => {};
    /** @type {() => Promise<void>} what has to be done before the channels are heard again, such as logging in */
    this.onOpen = async () => {};
    /** @type {(reply: any) => void} hears every answer, for its receipt */
    this.onReply = () => {};
    /** @type {(error: Error) => void} what went wrong with something nobody waits for */
    this.onTrouble = () => {};
  }

  /** Begin, and go on until the page is left. */
  connect() {
    this.onState("connecting");
    const socket = new WebSocket(this.url);
    this.socket = socket;
    socket.addEventListener("open", () => this.opened());
    socket.addEventListener("message", (event) => this.receive(decode(event.data)));
    socket.addEventListener("close", () => this.lost());
  }

  async opened() {
    this.tries = 0;
    try {
      await this.call("public/set_heartbeat", { interval: HEARTBEAT_S });
      await this.onOpen();
    } catch (error) {
      if (error instanceof Lost) return;
      this.trouble(error);
    }
    this.onState("open");
    this.ask([...this.channels.keys()]);
  }

  lost() {
    const waiting = [...this.waiting.values()];
    this.waiting.clear();
    this.onState("lost");
    for (const { reject } of waiting) reject(new Lost());
    const wait = Math.min(BACKOFF_MS * 2 ** this.tries, BACKOFF_MAX_MS);
    this.tries += 1;
    setTimeout(() => this.connect(), wait);
  }

  /**
   * Call a method. Rejects with Refusal or Lost.
   * @param {string} method
   * @param {Record<string, any>} params
   * @returns {Promise<any>}
   */
  call(method, params = {}) {
    const socket = this.socket;
    if (socket === null || socket.readyState !== WebSocket.OPEN) return Promise.reject(new Lost());
    this.ids += 1;
    const id = String(this.ids);
    const text = encode({ jsonrpc: "2.0", id: this.ids, method, params });
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      socket.send(text);
    });
  }

  /** @param {any} message */
  receive(message) {
    if (message.method === "subscription") {
      const { channel, data } = message.params;
      for (const hear of this.channels.get(channel) ?? []) hear(data);
    } else if (message.method === "heartbeat") {
      if (message.params.type === "test_request") this.tell("public/test");
    } else this.answer(message);
  }

  /** @param {any} message */
  answer(message) {
    this.onReply(message);
    const waiter = this.waiting.get(message.id);
    if (waiter === undefined) return;
    this.waiting.delete(message.id);
    if (message.error) waiter.reject(new Refusal(message.error));
    else waiter.resolve(message.result);
  }

  /**
   * Hear a channel until the returned function is called.
   * @param {string} channel
   * @param {Hear} hear
   */
  hear(channel, hear) {
    let readers = this.channels.get(channel);
    if (readers === undefined) {
      readers = new Set();
      this.channels.set(channel, readers);
      this.later(channel);
    }
    readers.add(hear);
    return () => this.part(channel, hear);
  }

  /** @param {string} channel @param {Hear} hear */
  part(channel, hear) {
    const readers = this.channels.get(channel);
    if (readers === undefined || !readers.delete(hear) || readers.size > 0) return;
    this.channels.delete(channel);
    if (this.fresh.delete(channel)) return;
    this.turn();
    this.stale.add(channel);
  }

  /** Ask for a channel anew: it begins with a snapshot. @param {string} channel */
  again(channel) {
    if (!this.channels.has(channel)) return;
    this.turn();
    this.stale.add(channel);
    this.fresh.add(channel);
  }

  /** @param {string} channel */
  later(channel) {
    this.turn();
    this.fresh.add(channel);
  }

  /** What one turn asks for and gives up goes out together, at its end. */
  turn() {
    if (this.fresh.size + this.stale.size === 0) queueMicrotask(() => this.settle());
  }

  settle() {
    const [fresh, stale] = [[...this.fresh], [...this.stale]];
    this.fresh.clear();
    this.stale.clear();
    for (const part of parts(stale)) this.tell("public/unsubscribe", { channels: part });
    this.ask(fresh);
  }

  /** @param {string[]} channels */
  ask(channels) {
    for (const part of parts(channels.filter((name) => !PRIVATE.test(name)))) this.tell("public/subscribe", { channels: part });
    for (const part of parts(channels.filter((name) => PRIVATE.test(name)))) this.tell("private/subscribe", { channels: part });
  }

  /** Call without waiting. @param {string} method @param {Record<string, any>} params */
  tell(method, params = {}) {
    this.call(method, params).catch((error) => this.trouble(error));
  }

  /** What went wrong with something nobody waits for. A lost connection is none: it comes back. @param {Error} error */
  trouble(error) {
    if (!(error instanceof Lost)) this.onTrouble(error);
  }

  /** Let the login go: the venue forgets it and hangs up, and a new connection comes without. */
  leave() {
    this.tell("private/logout");
  }
}

/** @param {string[]} channels */
function parts(channels) {
  const found = [];
  for (let at = 0; at < channels.length; at += CHANNELS_AT_ONCE) found.push(channels.slice(at, at + CHANNELS_AT_ONCE));
  return found;
}
