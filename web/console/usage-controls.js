/* The Usage page's controls: range, granularity, grouping, time axis, and the filters as removable chips. */

import { describeValue } from "./names.js";
import { AXES, DIMENSIONS, GRANULARITIES, dimensionTitle, tagName, withFilter, withoutFilter } from "./state.js";
import { DAY, HOUR, PRESETS, floorTo, showDay } from "./time.js";
import { Component, Icon, Segments, html } from "./ui.js";

const two = (number) => String(number).padStart(2, "0");

/* Days, and hours of the day from 00:00 to 24:00: the end of a range is written as the last day and hour it has.
 * The fields are filled once per range (key, defaultValue), so that nothing is taken back that somebody types. */
class CustomRange extends Component {
  apply(event) {
    event.preventDefault();
    const read = (name) => this.form.elements[name].value;
    const from = Date.parse(`${read("from-day")}T00:00:00Z`) + Number(read("from-hour")) * HOUR;
    const to = Date.parse(`${read("to-day")}T00:00:00Z`) + Number(read("to-hour")) * HOUR;
    const wrong = !Number.isFinite(from) || !Number.isFinite(to) || to <= from;
    this.form.elements["to-day"].setCustomValidity(wrong ? "The range must end after it begins." : "");
    if (this.form.reportValidity()) this.props.onApply(from, to);
  }

  hours(name, from, to, chosen) {
    const hours = Array.from({ length: to - from + 1 }, (_, index) => from + index);
    return html`<select name=${name} aria-label=${name === "from-hour" ? "First hour" : "End hour"}>
      ${hours.map((hour) => html`<option key=${hour} value=${hour} selected=${hour === chosen}>${two(hour)}:00</option>`)}
    </select>`;
  }

  render({ from, to }) {
    const last = floorTo(to - 1, DAY);
    return html`
      <form class="custom-range" key=${`${from}-${to}`} ref=${(node) => (this.form = node)}
        onSubmit=${(event) => this.apply(event)} onInput=${() => this.form.elements["to-day"].setCustomValidity("")}>
        <label>From <input type="date" name="from-day" required defaultValue=${showDay(from)} /></label>
        ${this.hours("from-hour", 0, 23, (from - floorTo(from, DAY)) / HOUR)}
        <label>to <input type="date" name="to-day" required defaultValue=${showDay(last)} /></label>
        ${this.hours("to-hour", 1, 24, (to - last) / HOUR)}
        <span class="dim">UTC</span>
        <button class="button">Apply</button>
      </form>`;
  }
}

class GroupBy extends Component {
  state = { wantsTag: false };

  choose(value) {
    this.setState({ wantsTag: value === "tag" });
    if (value !== "tag") this.props.onChoose(value);
  }

  applyTag(event) {
    event.preventDefault();
    const name = this.input.value.trim();
    if (name) this.props.onChoose(`tag:${name}`);
  }

  render({ value, dimensions }) {
    const tag = tagName(value);
    const byTag = this.state.wantsTag || tag !== undefined;
    return html`
      <div class="control">
        <label for="group-by">Group by</label>
        <div class="row">
          <select id="group-by" value=${byTag ? "tag" : value} onChange=${(event) => this.choose(event.target.value)}>
            ${dimensions.map(
              ({ name, title }) => html`<option key=${name} value=${name} selected=${!byTag && name === value}>${title}</option>`,
            )}
            <option value="tag" selected=${byTag}>Tag …</option>
          </select>
          ${byTag &&
          html`<form class="row" onSubmit=${(event) => this.applyTag(event)}>
            <input name="tag" class="short" aria-label="Name of the tag" placeholder="tag name" required
              defaultValue=${tag ?? ""} ref=${(node) => (this.input = node)} />
            <button class="button">Apply</button>
          </form>`}
        </div>
      </div>`;
  }
}

class AddFilter extends Component {
  state = { dimension: "meter" };

  submit(event) {
    event.preventDefault();
    const { dimension } = this.state;
    const { tag, value } = event.target.elements;
    const name = dimension === "tag" ? `tag:${tag.value.trim()}` : dimension;
    if (!value.value || name === "tag:") return;
    this.details.open = false;
    this.props.onAdd(name, value.value);
  }

  valueField() {
    const { dimension } = this.state;
    const { names, known } = this.props;
    if (dimension === "meter" && names.meters.length > 0) {
      const meters = [...names.meters].sort((a, b) => (a.name < b.name ? -1 : 1));
      const categories = [...new Set(meters.map(({ category }) => category))].sort();
      return html`<select name="value" aria-label="Value" key="meter">
        ${categories.map(
          (category) => html`<optgroup key=${category} label=${category}>
            ${meters.filter((each) => each.category === category).map(
              ({ meterId, name }) => html`<option key=${meterId} value=${meterId}>${name}</option>`,
            )}
          </optgroup>`,
        )}
      </select>`;
    }
    if (dimension === "subscription" && names.subscriptions.length > 0) {
      return html`<select name="value" aria-label="Value" key="subscription">
        ${names.subscriptions.map(
          ({ subscriptionId, displayName }) => html`<option key=${subscriptionId} value=${subscriptionId}
            >${displayName || subscriptionId}</option>`,
        )}
      </select>`;
    }
    const suggestions = known(dimension);
    return html`
      <input name="value" aria-label="Value" placeholder="exact value" required list="filter-values" key=${dimension}
        autocomplete="off" spellcheck="false" />
      <datalist id="filter-values">${suggestions.map((each) => html`<option key=${each} value=${each} />`)}</datalist>`;
  }

  render({ dimensions }) {
    const { dimension } = this.state;
    return html`
      <details class="add-filter" ref=${(node) => (this.details = node)}
        onKeyDown=${(event) => {
          if (event.key !== "Escape" || !this.details.open) return;
          this.details.open = false;
          this.details.querySelector("summary").focus();
        }}>
        <summary class="button quiet"><${Icon} name="plus" />Add filter</summary>
        <form class="popover" onSubmit=${(event) => this.submit(event)}>
          <select aria-label="Filter by" value=${dimension}
            onChange=${(event) => this.setState({ dimension: event.target.value })}>
            ${dimensions.map(({ name, title }) => html`<option key=${name} value=${name}>${title}</option>`)}
            <option value="tag">Tag</option>
          </select>
          ${dimension === "tag" &&
          html`<input name="tag" class="short" aria-label="Name of the tag" placeholder="tag name" required
            autocomplete="off" spellcheck="false" />`}
          <span class="dim">is</span>
          ${this.valueField()}
          <button class="button primary">Add</button>
        </form>
      </details>`;
  }
}

const Chip = ({ dimension, value, names, onRemove }) => {
  const { label } = describeValue(dimension, value, names);
  const title = dimensionTitle(dimension);
  return html`<li class="chip" title=${value}>
    <span><span class="dim">${title}:</span> ${label}</span>
    <button type="button" aria-label=${`Remove the filter ${title} ${label}`} onClick=${onRemove}>
      <${Icon} name="close" /></button>
  </li>`;
};

/** Properties: view (state.js), window (of the data shown), names, session, known(dimension), change(state). */
export function UsageControls({ view, window, names, session, known, change }) {
  // A tenant's rows are all of one subscription.
  const dimensions = DIMENSIONS.filter(({ name }) => name !== "subscription" || session.role === "operator");
  const chooseRange = (range) => {
    if (range === "custom") return change({ ...view, range, from: window.from, to: window.to });
    // One day as one bar says little.
    const oneDay = range === "today" || range === "yesterday";
    const granularity = oneDay && view.granularity === "daily" ? "hourly" : view.granularity;
    return change({ ...view, range, granularity, from: null, to: null });
  };
  return html`
    <section class="panel controls" aria-label="What to show">
      <div class="control">
        <label for="range">Range</label>
        <select id="range" value=${view.range} onChange=${(event) => chooseRange(event.target.value)}>
          ${PRESETS.map(({ name, title }) => html`<option key=${name} value=${name} selected=${name === view.range}
            >${title}</option>`)}
        </select>
      </div>
      <${GroupBy} value=${view.groupBy} dimensions=${dimensions}
        onChoose=${(groupBy) => change({ ...view, groupBy })} />
      <${Segments} name="granularity" legend="Granularity" options=${GRANULARITIES} value=${view.granularity}
        onChoose=${(granularity) => change({ ...view, granularity, table: granularity === "total" ? "totals" : view.table })} />
      <${Segments} name="axis" legend="Select by" options=${AXES} value=${view.axis}
        onChoose=${(axis) => change({ ...view, axis })} />
      ${view.range === "custom" &&
      html`<${CustomRange} from=${view.from} to=${view.to}
        onApply=${(from, to) => change({ ...view, range: "custom", from, to })} />`}
      <div class=${view.filters.length > 0 ? "filters" : "filters none"}>
        ${view.filters.length > 0 &&
        html`<ul class="chips" aria-label="Filters">
          ${view.filters.map(
            ({ dimension, value }) => html`<${Chip} key=${dimension} dimension=${dimension} value=${value} names=${names}
              onRemove=${() => {
                change(withoutFilter(view, dimension));
                // The button that had the focus is gone with its chip.
                document.querySelector(".add-filter summary").focus();
              }} />`,
          )}
        </ul>`}
        <${AddFilter} names=${names} dimensions=${dimensions} known=${known}
          onAdd=${(dimension, value) => change(withFilter(view, dimension, value))} />
      </div>
    </section>`;
}
