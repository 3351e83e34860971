/* Registers a stamp, renews it, takes its activation key, maps a customer and removes everything again with the
 * unmodified client @azure/arm-azurestack 2.1.1. Takes {url, token, subscription, group, name, manyGroup,
 * registrationToken, renewalToken, customers: {name, customer, tenant}} as JSON on standard input, prints what it was
 * answered as JSON. */
import azurestack from "@azure/arm-azurestack";
import { readQuestion } from "./question.mjs";

const { AzureStackManagementClient } = azurestack;
const asked = await readQuestion();
const credential = { getToken: async () => ({ token: asked.token, expiresOnTimestamp: Date.now() + 3_600_000 }) };
const client = new AzureStackManagementClient(credential, asked.subscription, { baseUri: asked.url });
const { registrations, customerSubscriptions, products } = client;
const { group, name } = asked;

const plain = ({ id, name, type, location, etag, cloudId, objectId, billingModel }) =>
  ({ id, name, type, location, etag, cloudId, objectId, billingModel });
const plainCustomer = ({ id, name, type, etag, tenantId }) => ({ id, name, type, etag, tenantId });

async function all(first, next) {
  let page = await first;
  const items = [...page];
  while (page.nextLink) {
    page = await next(page.nextLink);
    items.push(...page);
  }
  return items;
}

async function codeOf(promise) {
  try {
    await promise;
    return null;
  } catch (error) {
    return [error.statusCode, error.code];
  }
}

const answer = {};
answer.created = plain(await registrations.createOrUpdate(group, name, { registrationToken: asked.registrationToken }));
answer.got = plain(await registrations.get(group, name));
answer.listed = (await all(registrations.list(group), link => registrations.listNext(link))).map(plain);
answer.many = (await all(registrations.list(asked.manyGroup), link => registrations.listNext(link))).map(plain);
answer.updated = plain(await registrations.update(group, name, { registrationToken: asked.renewalToken }));
answer.activationKey = (await registrations.getActivationKey(group, name)).activationKey;
answer.products = [...await products.list(group, name)].length;

const { customers } = asked;
if (customers) {
  const created = await customerSubscriptions.create(group, customers.name, customers.customer,
                                                     { tenantId: customers.tenant });
  answer.customers = {
    created: plainCustomer(created),
    got: plainCustomer(await customerSubscriptions.get(group, customers.name, customers.customer)),
    listed: (await all(customerSubscriptions.list(group, customers.name),
                       link => customerSubscriptions.listNext(link))).map(plainCustomer),
  };
  await customerSubscriptions.deleteMethod(group, customers.name, customers.customer);
  answer.customers.missing = await codeOf(customerSubscriptions.get(group, customers.name, customers.customer));
}

await registrations.deleteMethod(group, name);
await registrations.deleteMethod(group, name); /* absent: 204, no error */
answer.missing = await codeOf(registrations.get(group, name));
console.log(JSON.stringify(answer));
