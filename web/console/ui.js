/* Small pieces that every page uses. Components are preact with htm templates: no build step. */

import { Component, h, render } from "/vendor/preact.module.js";
import htm from "/vendor/htm.module.js";
import { groupDigits, splitDecimal } from "./decimal.js";

export const html = htm.bind(h);
export { Component, render };

const ICONS = {
  theme: "M12 3a9 9 0 0 0 0 18z",
  menu: "M4 6h16M4 12h16M4 18h16",
  download: "M12 4v11m0 0l-4.5-4.5M12 15l4.5-4.5M5 20h14",
  close: "M6 6l12 12M18 6L6 18",
  plus: "M12 5v14M5 12h14",
  copy: "M9 9h11v11H9zM15 9V4H4v11h5",
};

/** A line icon; decoration only, so it is hidden from assistive technology. */
export const Icon = ({ name }) => html`
  <svg class=${`icon icon-${name}`} viewBox="0 0 24 24" width="18" height="18" aria-hidden="true">
    ${name === "theme" && html`<circle cx="12" cy="12" r="9" />`}
    <path d=${ICONS[name]} />
  </svg>`;

const CLEAR_DECIMALS = 6;

/** An exact number. Thousands are set apart, all digits are shown; decimals beyond the sixth step back a little.
 *  `decimals` lines numbers up at the decimal point: the length of the longest fraction in the column. */
export function Quantity({ value, decimals }) {
  const { sign, whole, fraction } = splitDecimal(value);
  // One character for the point, which a column of whole numbers does not need.
  const style = decimals ? { minWidth: `${decimals + 1}ch` } : undefined;
  return html`<span class="quantity"><span>${sign}${whole}</span><span class="fraction" style=${style}
    >${fraction && "."}${fraction.slice(0, CLEAR_DECIMALS)}${fraction.length > CLEAR_DECIMALS &&
    html`<span class="fine">${fraction.slice(CLEAR_DECIMALS)}</span>`}</span></span>`;
}

export const Count = ({ value }) => html`<span class="number">${groupDigits(String(value))}</span>`;

/** One of a few choices, shown side by side; native radio buttons, so arrow keys work. */
export function Segments({ name, legend, options, value, onChoose, hideLegend }) {
  return html`
    <fieldset class="segments">
      <legend class=${hideLegend ? "visually-hidden" : ""}>${legend}</legend>
      <div class="segment-row">
        ${options.map(
          (option) => html`
            <label key=${option.name} class="segment" title=${option.help ?? ""}>
              <input type="radio" name=${name} value=${option.name} checked=${option.name === value}
                onChange=${() => onChoose(option.name)} />
              <span>${option.title}</span>
            </label>`,
        )}
      </div>
    </fieldset>`;
}

/** What went wrong, its code and the request's id for the log, and a way to go on. */
export const ErrorBox = ({ error, onRetry, title = "This could not be shown" }) => html`
  <div class="notice bad" role="alert">
    <h2>${title}</h2>
    <p>${error.message}</p>
    <p class="dim">
      ${error.code && html`<code>${error.code}</code>`}
      ${error.target && html` on <code>${error.target}</code>`}
      ${error.requestId && html` · request <code>${error.requestId}</code>, which the server's log has too`}
    </p>
    ${onRetry && html`<p><button type="button" class="button" onClick=${onRetry}>Try again</button></p>`}
  </div>`;

export const Loading = ({ what }) => html`
  <div class="loading" role="status"><span class="spinner" aria-hidden="true"></span>Reading ${what} …</div>`;

export const Badge = ({ kind = "plain", children }) => html`<span class=${`badge ${kind}`}>${children}</span>`;

/** 1536 to "1.5 KiB" */
export function showBytes(bytes) {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let value = Number(bytes);
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** A question of its own in front of the page. The browser keeps the focus inside, Escape closes, and the focus goes back to
 *  what opened it. onClose is called once, when the person has left; the parent then leaves it out. */
export class Dialog extends Component {
  componentDidMount() {
    this.node.showModal();
  }

  componentWillUnmount() {
    this.gone = true;
    this.node.close();
  }

  render({ title, children, wide, onClose }) {
    return html`
      <dialog class=${wide ? "dialog wide" : "dialog"} aria-labelledby="dialog-title" ref=${(node) => (this.node = node ?? this.node)}
        onClose=${() => !this.gone && onClose()}>
        <div class="dialog-head"><h2 id="dialog-title">${title}</h2>
          <button type="button" class="button quiet icon-button" aria-label="Close" onClick=${() => this.node.close()}>
            <${Icon} name="close" /></button></div>
        ${children}
      </dialog>`;
  }
}

/** Puts a text on the clipboard and says so. */
export class CopyButton extends Component {
  state = { done: "" };

  async copy() {
    try {
      await navigator.clipboard.writeText(this.props.text);
      this.setState({ done: "Copied" });
    } catch {
      // No permission, or no secure context: the text is there to be selected.
      this.setState({ done: "Select the text and copy it by hand" });
    }
  }

  render({ what }, { done }) {
    return html`<button type="button" class="button" onClick=${() => this.copy()} aria-label=${`Copy ${what}`}
      ><${Icon} name="copy" />${done === "Copied" ? "Copied" : "Copy"}</button>
      <span class="dim small" role="status">${done !== "Copied" && done}</span>`;
  }
}

/** Lines for a terminal, with a button that copies them. */
export const Commands = ({ text, what }) => html`
  <div class="commands">
    <pre tabindex="0" role="region" aria-label=${what}><code>${text}</code></pre>
    <div class="row"><${CopyButton} text=${text} what=${what} /></div>
  </div>`;
