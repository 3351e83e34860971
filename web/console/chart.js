/* The chart over time. uPlot draws; doubles are good enough for where a bar ends, while the figures in the tip
 * are the exact ones. Absent and zero differ: lines have gaps where nothing was reported. */

import { addDecimals, showDecimal } from "./decimal.js";
import { DAY, HOUR, ceilTo, floorTo, showMinute, showPeriod } from "./time.js";
import { Component, html } from "./ui.js";

const { uPlot } = globalThis; // a classic script, see index.html
const HEIGHT = 300;
export const COLOURS = 8; // --series-1 to --series-8 of style.css; the last is for "all others"

/* Distances between ticks, in seconds: hours, days, months and years as uPlot counts them. */
const TICKS = [1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 720, 2160, 4320, 8760].map((hours) => hours * 3600);
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const axisNumber = new Intl.NumberFormat("en", { maximumSignificantDigits: 6 });
const axisNumberShort = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 4 });

/* 20 Nov at midnight, 06:00 within a day; years where ticks are that far apart. */
function timeLabels(splits, increment) {
  return splits.map((seconds) => {
    const date = new Date(seconds * 1000);
    if (increment >= 30 * 86400) return `${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
    if ((seconds * 1000) % DAY === 0) return `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
    return showMinute(seconds * 1000).slice(11);
  });
}

const numberLabels = (splits) =>
  splits.map((value) => (Math.abs(value) < 1e6 ? axisNumber : axisNumberShort).format(value));

/* The colours of the theme that holds now: the custom properties are pairs, which only an element resolves. */
function colourReader() {
  const probe = document.createElement("span");
  document.body.append(probe);
  const colours = new Map();
  const read = (name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  for (const name of ["--dim", "--line", "--bad", "--bad-soft", ...Array.from({ length: COLOURS }, (_, index) => `--series-${index + 1}`)]) {
    colours.set(name, read(name));
  }
  probe.remove();
  return (name) => colours.get(name);
}

/* Each series on top of those before it, as heights. */
function stack(series) {
  const below = [];
  return series.map(({ values }) =>
    values.map((value, at) => {
      below[at] = (below[at] ?? 0) + (value === null ? 0 : Number(value));
      return below[at];
    }),
  );
}

/* Runs of several producers as the stretches of time that they cover together: [[from, to]]. */
function mergeRuns(runs) {
  const merged = [];
  for (const { from, to } of [...runs].sort((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last && from <= last[1]) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  return merged;
}

/* Diagonal lines: what is unknown. */
function hatching(context, line, ground) {
  const tile = document.createElement("canvas");
  const size = 8;
  tile.width = tile.height = size;
  const pen = tile.getContext("2d");
  pen.fillStyle = ground;
  pen.fillRect(0, 0, size, size);
  pen.strokeStyle = line;
  pen.lineWidth = 1.25;
  for (const shift of [-size, 0, size]) {
    pen.beginPath();
    pen.moveTo(shift, size);
    pen.lineTo(shift + size, 0);
    pen.stroke();
  }
  return context.createPattern(tile, "repeat");
}

/** Properties: periods (starts, ms), step (ms), from, to, granularity, mode ("stacked" | "lines"), label,
 *  series ([{label, colour, values: decimal text or null}], biggest first), silent ([{source, from, to}]: hours of which
 *  usage is unknown, hatched behind the rest), onZoom(from, to). */
export class Chart extends Component {
  componentDidMount() {
    this.redraw = () => this.draw();
    addEventListener("stampmeter-theme", this.redraw);
    this.watcher = new ResizeObserver(() => {
      if (this.plot && this.box.clientWidth > 0) this.plot.setSize({ width: this.box.clientWidth, height: HEIGHT });
    });
    this.watcher.observe(this.box);
    this.draw();
  }

  shouldComponentUpdate(next) {
    const same = next.series.length === this.props.series.length && next.series.every((each, at) => each === this.props.series[at]);
    return !same || next.mode !== this.props.mode || next.label !== this.props.label || next.silent !== this.props.silent;
  }

  componentDidUpdate() {
    this.draw();
  }

  componentWillUnmount() {
    removeEventListener("stampmeter-theme", this.redraw);
    this.watcher.disconnect();
    this.plot?.destroy();
  }

  draw() {
    this.plot?.destroy();
    this.hideTip();
    const { periods, step, from, to, series, mode } = this.props;
    const colour = colourReader();
    const stacked = mode === "stacked";
    // A value belongs to the whole period and is drawn in its middle.
    const times = periods.map((start) => (start + step / 2) / 1000);
    const heights = stacked
      ? stack(series)
      : series.map(({ values }) => values.map((value) => (value === null ? null : Number(value))));
    // The tallest is drawn first, so that the lower parts of a stack cover it.
    const order = series.map((_, index) => (stacked ? series.length - 1 - index : index));
    const axis = {
      stroke: colour("--dim"),
      font: `12px ${getComputedStyle(document.body).fontFamily}`,
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { stroke: colour("--line"), width: 1, size: 5 },
    };
    const options = {
      width: this.box.clientWidth || 600,
      height: HEIGHT,
      padding: [12, 26, 0, 0],
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      legend: { show: false },
      focus: { alpha: 1 },
      cursor: {
        y: false,
        points: { show: !stacked, size: 7 },
        drag: { x: true, y: false, setScale: false },
      },
      scales: {
        x: { time: true, range: () => [from / 1000, to / 1000] },
        y: { range: (_, low, high) => [Math.min(0, low ?? 0), high > 0 ? high * 1.06 : 1] },
      },
      axes: [
        {
          ...axis,
          grid: { show: false },
          size: 36,
          space: 64,
          incrs: TICKS.filter((each) => each * 1000 >= step),
          values: (_, splits, __, ___, increment) => timeLabels(splits, increment),
        },
        {
          ...axis,
          values: (_, splits) => numberLabels(splits),
          size: (_, labels) => Math.max(40, 16 + 7 * Math.max(0, ...(labels ?? []).map((each) => each.length))),
        },
      ],
      series: [
        {},
        ...order.map((index) => ({
          label: series[index].label,
          ...(stacked
            ? {
                fill: colour(`--series-${series[index].colour}`),
                width: 0,
                paths: uPlot.paths.bars({ size: [periods.length > 200 ? 1 : 0.82, 72] }),
                points: { show: false },
              }
            : { stroke: colour(`--series-${series[index].colour}`), width: 2 }),
        })),
      ],
      hooks: {
        drawClear: [(plot) => this.hatch(plot, colour)],
        setCursor: [(plot) => this.showTip(plot)],
        setSelect: [(plot) => this.zoom(plot)],
      },
    };
    this.plot = new uPlot(options, [times, ...order.map((index) => heights[index])], this.box);
  }

  /* Silent hours, behind axes and bars: an empty place there is not a zero. */
  hatch(plot, colour) {
    const { silent = [], from, to } = this.props;
    if (silent.length === 0) return;
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.globalAlpha = 0.45; // what is known stands out
    ctx.fillStyle = hatching(ctx, colour("--bad"), colour("--bad-soft"));
    for (const [begin, end] of mergeRuns(silent)) {
      const left = plot.valToPos(Math.max(begin, from) / 1000, "x", true);
      const right = plot.valToPos(Math.min(end, to) / 1000, "x", true);
      ctx.fillRect(left, bbox.top, right - left, bbox.height);
    }
    ctx.restore();
  }

  /* Dragging over the chart narrows the range to whole periods. */
  zoom(plot) {
    const { left, width } = plot.select;
    if (width < 6) return;
    const at = (x) => plot.posToVal(x, "x") * 1000;
    const step = this.props.step;
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.props.onZoom(floorTo(at(left), step), ceilTo(at(left + width), step));
  }

  hideTip() {
    if (this.tip) this.tip.hidden = true;
  }

  showTip(plot) {
    const { idx, left, top } = plot.cursor;
    const { periods, step, granularity, series, silent = [], mode } = this.props;
    const away = idx === null || idx === undefined || left < 0;
    const rows = away ? [] : series.filter(({ values }) => values[idx] !== null);
    const unknown = away ? [] : silent.filter(({ from, to }) => from < periods[idx] + step && to > periods[idx]);
    if (rows.length + unknown.length === 0) return this.hideTip();
    const line = (label, value, swatch) => {
      const row = document.createElement("p");
      const mark = document.createElement("span");
      const name = document.createElement("span");
      const figure = document.createElement("strong");
      mark.className = swatch ? `swatch series-${swatch}` : "swatch";
      name.textContent = label;
      figure.textContent = showDecimal(value);
      row.append(mark, name, figure);
      return row;
    };
    const head = document.createElement("p");
    head.className = "tip-head";
    head.textContent = `${showPeriod(periods[idx], granularity)} UTC`;
    const lines = rows.map(({ label, colour, values }) => line(label, values[idx], colour));
    if (mode === "stacked" && rows.length > 1) {
      lines.push(line("Sum", addDecimals(rows.map(({ values }) => values[idx]))));
      lines.at(-1).className = "tip-sum";
    }
    for (const source of new Set(unknown.map((each) => each.source))) {
      const row = document.createElement("p");
      row.className = "tip-unknown";
      row.textContent = `${source}: silent, usage unknown`;
      lines.push(row);
    }
    this.tip.replaceChildren(head, ...lines);
    this.tip.hidden = false;
    // Beside the pointer, on the side where there is room.
    const x = left + plot.over.offsetLeft;
    const width = this.tip.offsetWidth;
    const room = this.box.clientWidth;
    this.tip.style.left = `${Math.max(0, x + 16 + width < room ? x + 16 : x - 16 - width)}px`;
    this.tip.style.top = `${Math.max(0, Math.min(top, HEIGHT - this.tip.offsetHeight - 8))}px`;
  }

  render({ label }) {
    return html`
      <div class="chart">
        <div class="plot" role="img" aria-label=${label} ref=${(node) => (this.box = node)}
          onMouseLeave=${() => this.hideTip()}></div>
        <div class="tip" hidden aria-hidden="true" ref=${(node) => (this.tip = node)}></div>
      </div>`;
  }
}

/** The starts of all periods of a window, whether they have rows or not. */
export function periodsOf(from, to, granularity) {
  const step = granularity === "hourly" ? HOUR : DAY;
  const starts = [];
  for (let at = from; at < to; at += step) starts.push(at);
  return { starts, step };
}
