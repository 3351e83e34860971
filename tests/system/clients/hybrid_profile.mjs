/* Reads a usage list with the unmodified client @azure/arm-commerce-profile-2020-09-01-hybrid 2.1.0, which follows
 * nextLink by itself. Takes the question as JSON on standard input, prints the rows as JSON. */
import profile from "@azure/arm-commerce-profile-2020-09-01-hybrid";
import { readQuestion } from "./question.mjs";

const { UsageManagementClient } = profile;
const { url, token, subscription, start, end, granularity } = await readQuestion();
const credential = { getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3_600_000 }) };
const client = new UsageManagementClient(credential, subscription, { endpoint: url });
const options = { aggregationGranularity: granularity, showDetails: true };

const rows = [];
let pages = 0;
for await (const page of client.usageAggregates.list(new Date(start), new Date(end), options).byPage()) {
  rows.push(...page);
  pages++;
}
console.log(JSON.stringify({ pages, rows }));
