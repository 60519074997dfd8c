/** Logging in: by the wallet of the browser, or with a development key where the venue says that its chain is for development. */
import { short } from "./bytes.js";
import { html } from "./html.js";
import { keySigner, provider, walletSigner } from "./signers.js";
import { View } from "./store.js";

export class Login extends View {
  constructor(props) {
    super(props);
    this.state = { key: "", isBusy: false };
  }

  stores() {
    return [this.props.context.account.store, this.props.context.store];
  }

  /** @param {() => Promise<any>|any} makeSigner */
  async enter(makeSigner) {
    const { context } = this.props;
    this.setState({ isBusy: true });
    try {
      await context.account.login(await makeSigner());
      this.setState({ key: "" });
    } catch (error) {
      context.tell(error.message, "bad");
    }
    this.setState({ isBusy: false });
  }

  render() {
    const { context } = this.props;
    const { id, address, kind } = context.account.store.value;
    if (id) {
      return html`<div class="login bar"><span data-test="account">Account ${id}</span>
        <span class="faint" title=${address}>${short(address)} (${kind})</span>
        <button onClick=${() => context.account.logout()}>Log out</button></div>`;
    }
    const status = context.store.value.status;
    if (status === null) return html`<p class="empty">Waiting for the venue.</p>`;
    return html`<div class="login">
      <button class="main" disabled=${this.state.isBusy || provider() === undefined} onClick=${() => this.enter(() => walletSigner(status.x_venue.chain_id))}>
        ${provider() === undefined ? "No wallet in this browser" : "Log in with the wallet"}</button>
      ${status.x_development === true && this.keyForm()}
    </div>`;
  }

  keyForm() {
    return html`<form class="keyed" onSubmit=${(event) => (event.preventDefault(), this.enter(() => keySigner(this.state.key)))}>
      <label>Development key <input type="password" autocomplete="off" spellcheck="false" data-test="dev-key" value=${this.state.key}
        onInput=${(event) => this.setState({ key: event.target.value })} placeholder="0x…" /></label>
      <button disabled=${this.state.isBusy || !this.state.key}>Log in</button>
      <p class="faint">Chain ${this.props.context.store.value.status.x_venue.chain_id} is for development. Keys pasted here stay in this page's memory; paste none that guards anything.</p>
    </form>`;
  }
}
