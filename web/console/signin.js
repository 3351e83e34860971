/* The page that asks who you are. */

import { signIn } from "./api.js";
import { Component, html } from "./ui.js";

export class SignIn extends Component {
  state = { busy: false, error: null };

  componentDidMount() {
    document.title = "Sign in - Stampmeter";
    this.username?.focus();
  }

  async submit(event) {
    event.preventDefault();
    if (this.state.busy) return;
    this.setState({ busy: true, error: null });
    try {
      await signIn(this.username.value, this.password.value);
      await this.props.onSignedIn();
    } catch (error) {
      this.setState({ busy: false, error });
      this.password.value = "";
      (error.status === 401 ? this.password : this.username).focus();
    }
  }

  render() {
    const { busy, error } = this.state;
    const { notice } = this.props;
    const wrong = error?.status === 401;
    return html`
      <main class="sign-in">
        <form class="panel" onSubmit=${(event) => this.submit(event)} aria-labelledby="sign-in-title">
          <p class="brand"><img src="/icon.svg" alt="" width="40" height="40" />Stampmeter</p>
          <h1 id="sign-in-title">Sign in</h1>
          <p class="dim">Usage and billing of this Azure Stack Hub stamp.</p>
          <div role="alert">
            ${error &&
            html`<p class="notice bad" id="sign-in-error">${wrong
              ? "This user name and password do not go together. Check both and try again."
              : error.message}</p>`}
          </div>
          ${notice && !error && html`<p class="notice" role="status">${notice}</p>`}
          <label for="username">User name</label>
          <input id="username" name="username" autocomplete="username" autocapitalize="none" spellcheck="false" required
            aria-describedby=${wrong ? "sign-in-error" : undefined} ref=${(node) => (this.username = node)} />
          <label for="password">Password</label>
          <input id="password" name="password" type="password" autocomplete="current-password" required
            aria-describedby=${wrong ? "sign-in-error" : undefined} ref=${(node) => (this.password = node)} />
          <button class="button primary" aria-disabled=${busy ? "true" : undefined}>
            ${busy ? "Signing in …" : "Sign in"}</button>
          <p class="dim small">First time here? <code>stampmeter init</code> and the demo print the operator's password on
            their terminal. <a href="/docs/getting-started.html">Getting started</a></p>
        </form>
      </main>`;
  }
}
