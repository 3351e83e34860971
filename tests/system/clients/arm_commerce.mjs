/* Reads a usage list with the unmodified client @azure/arm-commerce 3.0.0, which leaves following nextLink to its
 * caller. Takes the question as JSON on standard input, prints the rows as JSON. */
import commerce from "@azure/arm-commerce";
import { readQuestion } from "./question.mjs";

const { UsageManagementClient } = commerce;
const { url, token, subscription, start, end, granularity } = await readQuestion();
const credential = { getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3_600_000 }) };
const client = new UsageManagementClient(credential, subscription, { baseUri: url });
const options = { aggregationGranularity: granularity, showDetails: true };

let page = await client.usageAggregates.list(new Date(start), new Date(end), options);
const rows = [...page];
let pages = 1;
while (page.nextLink) {
  page = await client.usageAggregates.listNext(page.nextLink, new Date(start), new Date(end), options);
  rows.push(...page);
  pages++;
}
console.log(JSON.stringify({ pages, rows }));
