/* Registrations and customers as the commercial pages read them, and how they name them. */

import { getAll, queryOf } from "./api.js";

/** {tenant id: name} of the tenants of this month; names are the stamp's, so a server without a stamp knows none. */
export async function tenantNames() {
  const { value } = await getAll("/v1/tenants?limit=1000");
  return new Map(value.filter(({ tenantId, displayName }) => tenantId && displayName).map((each) => [each.tenantId, each.displayName]));
}

/** What tells one registration from another; names repeat in other subscriptions. */
export const keyOf = ({ subscriptionId, resourceGroup, name }) => `${subscriptionId}/${resourceGroup}/${name}`.toLowerCase();

/** All registrations, each with its path, its cloud id and its `approval` for customers. */
export async function registrationsOf() {
  const [registrations, approvals] = await Promise.all([getAll("/v1/commerce/registrations"), getAll("/v1/commerce/approvals")]);
  const of = new Map(approvals.value.map((each) => [keyOf({ ...each, name: each.registrationName }), each]));
  return registrations.value.map((each) => ({ ...each, approval: of.get(keyOf(each)) }));
}

export const showPath = ({ name, resourceGroup }) => `${name} in ${resourceGroup}`;

/** The parameters that name a registration in /v1/commerce. */
export const named = ({ subscriptionId, resourceGroup, name }, more = {}) =>
  queryOf({ registration: name, subscriptionId, resourceGroup, ...more });

export const customerPath = ({ subscriptionId, resourceGroup, name }, customerId) =>
  `/subscriptions/${subscriptionId}/resourceGroups/${encodeURIComponent(resourceGroup)}/providers/Microsoft.AzureStack/registrations/` +
  `${encodeURIComponent(name)}/customerSubscriptions/${encodeURIComponent(customerId)}`;

export const API_VERSION = "api-version=2017-06-01";
