/* Names for the ids in usage rows: meters and subscriptions from their lists, resources from their path. */

import { getAll } from "./api.js";
import { tagName } from "./state.js";

/* Meter ids are compared without case and dashes; some providers write them without. */
const meterKey = (id) => id.toLowerCase().replaceAll("-", "");

export class Names {
  constructor(meters = [], subscriptions = []) {
    this.meters = meters;
    this.subscriptions = subscriptions;
    this.metersByKey = new Map(meters.map((each) => [meterKey(each.meterId), each]));
    this.subscriptionsById = new Map(subscriptions.map((each) => [each.subscriptionId.toLowerCase(), each]));
  }

  meter(id) {
    return this.metersByKey.get(meterKey(id));
  }

  subscription(id) {
    return this.subscriptionsById.get(id.toLowerCase());
  }
}

/** Reads both lists. One that cannot be read stays empty: then ids are shown instead of names, which is no reason
 *  to show nothing. */
export async function readNames() {
  const list = (path) => getAll(path).then((answer) => answer.value, () => []);
  const [meters, subscriptions] = await Promise.all([list("/v1/meters"), list("/v1/subscriptions")]);
  return new Names(meters, subscriptions);
}

/** The parts of /subscriptions/S/resourceGroups/G/providers/P/type/name that a person looks for. */
export function describeResource(uri) {
  const parts = uri.split("/");
  const group = /^resourcegroups$/i.test(parts[3] ?? "") ? parts[4] : undefined;
  const provider = parts.findLastIndex((each) => /^providers$/i.test(each));
  const tail = provider < 0 ? [] : parts.slice(provider + 2);
  const types = tail.filter((_, index) => index % 2 === 0);
  const names = tail.filter((_, index) => index % 2 === 1);
  return {
    name: names.join("/") || parts.at(-1) || uri,
    detail: [types.join("/"), group && `in ${group}`].filter(Boolean).join(" "),
    subscriptionId: /^subscriptions$/i.test(parts[1] ?? "") ? parts[2] : undefined,
  };
}

const NONE = { key: "", label: "(none)", value: null };

/** How a value of a dimension is shown: {label, detail}. */
export function describeValue(dimension, value, names) {
  switch (dimension) {
    case "meter": {
      const meter = names.meter(value);
      return meter ? { label: meter.name, detail: meter.category } : { label: value, detail: "meter not in the list" };
    }
    case "subscription": {
      const subscription = names.subscription(value);
      const state = subscription && subscription.state !== "Enabled" ? ` (${subscription.state.toLowerCase()})` : "";
      return subscription?.displayName
        ? { label: subscription.displayName + state, detail: value }
        : { label: value, detail: state.trim().replace(/[()]/g, "") };
    }
    case "resource": {
      const { name, detail, subscriptionId } = describeResource(value);
      const owner = subscriptionId && names.subscription(subscriptionId)?.displayName;
      return { label: name, detail: [detail, owner].filter(Boolean).join(" of ") };
    }
    default:
      return { label: value, detail: "" };
  }
}

/** The group that a row belongs to: {key, value, label, detail}; value is null where the row has none. */
export function groupOf(row, dimension, names) {
  const tag = tagName(dimension);
  const value =
    tag !== undefined
      ? row.tags?.[tag]
      : { meter: row.meterId, subscription: row.subscriptionId, resource: row.resourceUri,
          location: row.location, source: row.source }[dimension];
  if (value === undefined || value === null || value === "") {
    return tag === undefined ? NONE : { ...NONE, label: `(without tag ${tag})` };
  }
  const text = String(value);
  const described = describeValue(dimension, text, names);
  if (dimension === "meter") {
    const meter = names.meter(text);
    if (!meter && row.meterName) Object.assign(described, { label: row.meterName, detail: text });
    return { key: meterKey(text), value: text, ...described };
  }
  return { key: text, value: text, ...described };
}

/** The unit of one meter's figures, in words where nobody knows it. */
export const unitShown = (meterId, names) => names.meter(meterId)?.unit || "(unit not known)";

/** What a row counts. Meters without a known unit may count different things, so each is kept to itself. */
export function unitOf(row, names) {
  const meter = row.meterId && names.meter(row.meterId);
  return row.unit || meter?.unit || `unit not known: ${meter?.name || row.meterName || row.meterId || "no meter"}`;
}
