/* A page that reads its figures again and again while somebody looks at it, unless it is told not to. A subclass has
 * `refreshMs` and `read()`, the part of its state that the server gives; `state.error` says why that failed. */

import { Component, html } from "./ui.js";

export class LivePage extends Component {
  state = { error: null, live: true };

  componentDidMount() {
    this.load();
    this.timer = setInterval(() => {
      if (this.state.live && !document.hidden && !this.loading) this.load();
    }, this.refreshMs);
  }

  componentWillUnmount() {
    clearInterval(this.timer);
    this.gone = true;
  }

  async load() {
    this.loading = true;
    try {
      const read = await this.read();
      if (!this.gone) this.setState({ ...read, error: null });
    } catch (error) {
      if (!this.gone) this.setState({ error });
    } finally {
      this.loading = false;
    }
  }

  head(title) {
    return html`
      <div class="page-head">
        <h1 tabindex="-1">${title}</h1>
        <label class="check"><input type="checkbox" checked=${this.state.live}
          onChange=${(event) => this.setState({ live: event.target.checked })} /> Refresh every ${this.refreshMs / 1000} s</label>
      </div>`;
  }
}
