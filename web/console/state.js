/* The Usage page's state and its form in the address, so that a link shows another person the same thing:
 * #/usage?range=last30&groupBy=resource&meter=<id>. Defaults are left out; unknown or broken values become
 * defaults, because addresses are also written by hand. */

import { DAY, HOUR, PRESETS, floorTo, toIso } from "./time.js";

export const GRANULARITIES = [
  { name: "hourly", title: "Hourly" },
  { name: "daily", title: "Daily" },
  { name: "total", title: "Total" },
];
export const AXES = [
  { name: "usage", title: "Usage time", help: "when it was consumed" },
  { name: "reported", title: "Reported time", help: "when it was committed here" },
];
/* What rows can be grouped and filtered by; "tag:NAME" comes on top. Filters use the names of `member`, which
 * are the members of an answered row. */
export const DIMENSIONS = [
  { name: "meter", title: "Meter", member: "meterId" },
  { name: "subscription", title: "Subscription", member: "subscriptionId" },
  { name: "resource", title: "Resource", member: "resourceUri" },
  { name: "location", title: "Location", member: "location" },
  { name: "source", title: "Source", member: "source" },
];

const TAG = /^tag:(.+)$/;
export const tagName = (dimension) => TAG.exec(dimension)?.[1];
const isDimension = (name) => DIMENSIONS.some((each) => each.name === name) || TAG.test(name);
export const dimensionTitle = (name) =>
  DIMENSIONS.find((each) => each.name === name)?.title ?? `Tag ${tagName(name)}`;
/** The member that /v1/summary's filter takes for a dimension. */
export const filterMember = (name) => DIMENSIONS.find((each) => each.name === name)?.member ?? name;

const DEFAULTS = {
  range: "last7",
  from: null, // ms, range "custom" only
  to: null,
  axis: "usage",
  granularity: "daily",
  groupBy: "meter",
  filters: [], // {dimension, value}
  unit: null, // shown in the chart; null: the one with the most records
  chart: "stacked", // or "lines"
  table: "totals", // or "periods"
  sort: null, // column, "-" in front for falling; null: by time or the biggest first
};

const choices = {
  range: PRESETS.map((each) => each.name),
  axis: AXES.map((each) => each.name),
  granularity: GRANULARITIES.map((each) => each.name),
  chart: ["stacked", "lines"],
  table: ["totals", "periods"],
  sort: ["quantity", "-quantity", "name", "-name", "records", "-records", "start", "-start"],
};

/** From the text after '?' in the address. */
export function readState(query) {
  const parameters = new URLSearchParams(query);
  const state = { ...DEFAULTS, filters: [] };
  for (const [name, value] of parameters) {
    if (choices[name]?.includes(value)) state[name] = value;
    else if (name === "groupBy" && isDimension(value)) state.groupBy = value;
    else if (name === "unit") state.unit = value;
    else if (isDimension(name) && value) state.filters.push({ dimension: name, value });
  }
  if (state.range === "custom") {
    state.from = floorTo(Date.parse(parameters.get("from") ?? ""), HOUR);
    state.to = floorTo(Date.parse(parameters.get("to") ?? ""), HOUR);
    if (!(state.from < state.to)) Object.assign(state, { range: DEFAULTS.range, from: null, to: null });
  }
  return state;
}

/** The address ("#/usage?...") of a state. */
export function stateHref(state) {
  const parameters = new URLSearchParams();
  for (const name of ["range", "axis", "granularity", "groupBy", "unit", "chart", "table", "sort"]) {
    if (state[name] !== DEFAULTS[name] && state[name] !== null) parameters.set(name, state[name]);
  }
  if (state.range === "custom") {
    parameters.set("from", toIso(state.from));
    parameters.set("to", toIso(state.to));
  }
  for (const { dimension, value } of state.filters) parameters.append(dimension, value);
  const query = parameters.toString();
  return query ? `#/usage?${query}` : "#/usage";
}

/** The state with one dimension filtered to one value (its earlier filter replaced). */
export const withFilter = (state, dimension, value) => ({
  ...state,
  filters: [...state.filters.filter((each) => each.dimension !== dimension), { dimension, value }],
});

export const withoutFilter = (state, dimension) => ({
  ...state,
  filters: state.filters.filter((each) => each.dimension !== dimension),
});

/** Where a click on a group leads: from a meter to its resources, from a resource to its hours, else to meters. */
export function drillInto(state, dimension, value) {
  const next = { ...withFilter(state, dimension, value), sort: null };
  if (dimension === "meter") return { ...next, groupBy: "resource" };
  if (dimension === "resource") {
    return { ...next, groupBy: "meter", granularity: "hourly", table: "periods" };
  }
  return { ...next, groupBy: "meter" };
}

/* What names a figure that can be explained. */
const EXPLAINED = ["subscription", "meter", "resource"];

/** The address of what is behind a row {value, start, end} of the Usage page, or null: it has to be one meter's in one
 *  subscription, in one hour or day of usage. A tenant's rows are all of `own`, its subscription. */
export function explainHref(view, { value, start, end }, own) {
  const of = { [view.groupBy]: value ?? "" };
  for (const { dimension, value: wanted } of view.filters) of[dimension] = wanted;
  const subscription = of.subscription ?? own ?? /^\/subscriptions\/([^/]+)/i.exec(of.resource ?? "")?.[1];
  const unit = { [HOUR]: "usageHour", [DAY]: "usageDay" }[end - start];
  const named = Object.keys(of).every((dimension) => EXPLAINED.includes(dimension));
  if (view.axis !== "usage" || !named || !of.meter || !subscription || !unit || start % (end - start) !== 0) return null;
  const query = new URLSearchParams({ subscriptionId: subscription, meterId: of.meter });
  if (of.resource) query.set("resourceUri", of.resource);
  query.set(unit, toIso(start));
  return `#/explain?${query}`;
}

/** The address of one record. */
export const recordHref = ({ source, id }) => `#/record?${new URLSearchParams({ source, id })}`;

/** What of the state decides about the data; a change of anything else redraws without asking the server. */
export const dataKey = ({ range, from, to, axis, granularity, groupBy, filters }) =>
  JSON.stringify([range, from, to, axis, granularity, groupBy, filters]);
