/* UTC instants as milliseconds, and the ranges that the Usage page offers. Nothing here knows a local time zone. */

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

export const floorTo = (ms, step) => Math.floor(ms / step) * step;
export const ceilTo = (ms, step) => Math.ceil(ms / step) * step;

/** 2026-01-31T13:00:00Z, as the API takes it. */
export const toIso = (ms) => new Date(ms).toISOString().replace(".000Z", "Z");
/** 2026-01-31 */
export const showDay = (ms) => new Date(ms).toISOString().slice(0, 10);
/** 2026-01-31 13:00 */
export const showMinute = (ms) => new Date(ms).toISOString().slice(0, 16).replace("T", " ");
/** 2026-01-31 13:00:07 */
export const showSecond = (ms) => new Date(ms).toISOString().slice(0, 19).replace("T", " ");
export const weekday = (ms) => ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"][new Date(ms).getUTCDay()];

/** The start of a period as the table and the chart name it. */
export const showPeriod = (ms, granularity) =>
  granularity === "hourly" ? showMinute(ms) : `${showDay(ms)} ${weekday(ms)}`;

/** "3 days 4 h", for up-times. */
export function showDuration(seconds) {
  const days = Math.floor(seconds / 86400);
  const hours = Math.floor((seconds % 86400) / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  if (days > 0) return `${days} ${days === 1 ? "day" : "days"} ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  if (minutes > 0) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(seconds)} s`;
}

/** Range presets in the order in which they are offered. Days are UTC days; "last 7 days" includes today. */
export const PRESETS = [
  { name: "today", title: "Today" },
  { name: "yesterday", title: "Yesterday" },
  { name: "last7", title: "Last 7 days" },
  { name: "last30", title: "Last 30 days" },
  { name: "month", title: "This month" },
  { name: "custom", title: "Custom" },
];

/* What a preset means at a time: whole days, the end not included. */
function presetDays(name, now) {
  const today = floorTo(now, DAY);
  switch (name) {
    case "today":
      return [today, today + DAY];
    case "yesterday":
      return [today - DAY, today];
    case "last30":
      return [today - 29 * DAY, today + DAY];
    case "month": {
      const date = new Date(now);
      return [Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1), today + DAY];
    }
    default:
      return [today - 6 * DAY, today + DAY];
  }
}

/** The window to ask for: [from, to), on the granularity's boundary, and not beyond the hour (day) that runs now,
 *  so that a chart does not end in emptiness. */
export function windowOf(state, now) {
  let [from, to] = state.range === "custom" ? [state.from, state.to] : presetDays(state.range, now);
  // A total of a custom range may begin and end at any hour; days are whole days.
  const byHour = state.granularity === "hourly" || (state.granularity === "total" && state.range === "custom");
  const step = byHour ? HOUR : DAY;
  from = floorTo(from, step);
  to = Math.min(ceilTo(to, step), floorTo(now, step) + step);
  // A range that lies wholly ahead, or a reversed one from a hand-written link, becomes its last possible step.
  if (from >= to) from = to - step;
  return { from, to };
}
