/* Registrations and customers as the commercial pages read them, and how they name them. */

import { getAll, queryOf } from "./api.js";

/** All registrations, each with its path and cloud id. */
export const registrationsOf = async () => (await getAll("/v1/commerce/registrations")).value;

/** What tells one registration from another; names repeat in other subscriptions. */
export const keyOf = ({ subscriptionId, resourceGroup, name }) => `${subscriptionId}/${resourceGroup}/${name}`.toLowerCase();
export const showPath = ({ name, resourceGroup }) => `${name} in ${resourceGroup}`;

/** The parameters that name a registration in /v1/commerce. */
export const named = ({ subscriptionId, resourceGroup, name }, more = {}) =>
  queryOf({ registration: name, subscriptionId, resourceGroup, ...more });

export const customerPath = ({ subscriptionId, resourceGroup, name }, customerId) =>
  `/subscriptions/${subscriptionId}/resourceGroups/${encodeURIComponent(resourceGroup)}/providers/Microsoft.AzureStack/registrations/` +
  `${encodeURIComponent(name)}/customerSubscriptions/${encodeURIComponent(customerId)}`;

export const API_VERSION = "api-version=2017-06-01";
