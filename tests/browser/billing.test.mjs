/* The console's pages of part 3 in a real browser: registration, tenants and who pays for them, customers, partners and
 * approvals, providers. See browser.mjs for what it needs; on the mock:
 *
 *   STAMPMETER_NODE_MODULES=DIR node --test tests/browser/billing.test.mjs */

import assert from "node:assert/strict";
import { test } from "node:test";
import { checkAccessibility, checkWidth, readCsv, readExact, settled, sum, summary } from "./browser.mjs";
import { DAY, browser, iso, operator, subject } from "./stage.mjs";

const HEADERS = { "X-Stampmeter-Console": "1" };
const VERSION = "api-version=2017-06-01";
const CUSTOMER = "66666666-1111-4222-8333-444444444444";
const NOBODYS = "00000000-1111-4222-8333-444444444444";

const commerce = (run, options) =>
  browser.page(async (page) => {
    await browser.signIn(page, subject.commerce);
    await run(page);
  }, options);

/** Opens a page and waits until it shows what it read. */
const open = async (page, name, wait) => {
  await page.goto(`${browser.base}/#/${name}`);
  await page.waitForSelector(`main h1`);
  await page.waitForSelector(wait);
  await page.waitForFunction(() => !document.querySelector(".loading"));
};

const get = async (page, path) => {
  const response = await page.request.get(browser.base + path);
  assert.equal(response.status(), 200, await response.text());
  return readExact(await response.text());
};

const PAGES = [
  ["operator", "registration", "#registration-state"],
  ["operator", "tenants", ".tenant"],
  ["operator", "providers", ".tree"],
  ["commerce", "registrations", ".decision"],
  ["commerce", "customers", ".customers"],
  ["commerce", "tenants", ".tenant"],
  ["commerce", "partners", ".tree"],
];
const as = { operator, commerce };

/** A tenant that nobody has mapped, and a customer subscription of the registration's partner that pays for nobody yet. */
async function candidates(page) {
  const { value } = await get(page, "/v1/tenants?mapped=false&limit=1000");
  const row = value.find(({ tenantId, mapped, subscriptions }) => tenantId && !mapped && subscriptions.length > 0);
  assert.ok(row, "the demo has a tenant to map");
  const body = { tenantId: row.tenantId, partnerId: subject.commerce.partnerId, offer: "CSP", state: "Active" };
  const put = await page.request.put(`${browser.base}/v1/commerce/subscriptions/${CUSTOMER}`, { headers: HEADERS, data: body });
  assert.ok(put.ok(), await put.text());
  return { row, customer: CUSTOMER };
}

const path = (suffix = "") => `/subscriptions/${subject.commerce.subscriptionId}/resourceGroups/${subject.commerce.resourceGroup}` +
  `/providers/Microsoft.AzureStack/registrations/${subject.commerce.registration}${suffix}?${VERSION}`;

/** What the commercial side makes of a token: the activation key. */
async function register(token) {
  let key;
  await commerce(async (page) => {
    const put = await page.request.put(browser.base + path(), { headers: HEADERS, data: { location: "global", properties: { registrationToken: token } } });
    assert.equal(put.status(), 200, await put.text());
    const answer = await page.request.post(browser.base + path("/getactivationkey"), { headers: HEADERS });
    assert.equal(answer.status(), 200, await answer.text());
    key = (await answer.json()).activationKey;
  });
  return key;
}

// ---- who sees what ----

test("people see the pages of their role", async () => {
  const links = (page) => page.locator("nav li a").allTextContents();
  await operator(async (page) => {
    await settled(page);
    assert.deepEqual((await links(page)).filter((each) => ["Tenants", "Registration", "Providers"].includes(each)), ["Tenants", "Registration", "Providers"]);
    for (const title of ["Customers", "Partners", "Registrations"]) assert.ok(!(await links(page)).includes(title), title);
  });
  await commerce(async (page) => {
    await page.waitForSelector(".decision");
    assert.equal(await page.textContent("h1"), "Registrations");
    assert.deepEqual(await links(page), ["Registrations", "Customers", "Tenants", "Partners", "Audit log", "Documentation"]);
    await page.goto(`${browser.base}/#/audit`);
    await page.waitForSelector("main tbody tr, main .empty");
    await page.goto(`${browser.base}/#/usage`);
    await page.waitForSelector("text=There is nothing at this address for your role.");
  });
});

// ---- registration ----

test("the registration page tells what the stamp is registered as", () =>
  operator(async (page) => {
    await open(page, "registration", "#registration-state");
    const { state, cloudId, activation, publicKeyId } = await get(page, "/v1/registration");
    assert.equal(state, "Registered");
    const text = await page.textContent("main");
    for (const part of [state, cloudId, publicKeyId, activation.registrationName, activation.subscriptionId, activation.signerKeyId, activation.usageEndpoint]) {
      assert.ok(text.includes(part), part);
    }
    assert.ok(!(await page.isVisible("#step-token")), "what is for renewal waits");
    await page.click("text=Renew the registration");
    assert.ok(await page.isVisible("#step-token"));
    const commands = await page.textContent(".commands pre");
    assert.ok(commands.includes(`/registrations/${activation.registrationName}`), commands);
  }));

test("each billing model asks for what it needs, and a token that lacks it is refused with the reason", () =>
  operator(async (page) => {
    await open(page, "registration", "#registration-state");
    await page.click("text=Renew the registration");
    assert.equal(await page.locator("#token-needs").count(), 0);
    for (const [title, needs] of [["Custom", "Asset tag"], ["Ruggedized", "Asset tag"], ["Capacity", "Agreement number"]]) {
      await page.click(`.model:has(strong:text-is("${title}"))`);
      assert.equal(await page.textContent('label[for="token-needs"]'), needs);
    }
    await page.fill("#token-needs", "  "); // passes the browser's check, not the server's
    await page.click("text=Make the token");
    await page.waitForSelector('.notice.bad:has-text("MissingAgreementNumber")');
    assert.equal(await page.locator("#registration-token").count(), 0);
    await page.fill("#token-needs", "4711");
    await page.click("text=Make the token");
    await page.waitForSelector("#registration-token");
    assert.equal(await page.evaluate(() => document.activeElement.id), "registration-token");
    const token = JSON.parse(Buffer.from(await page.inputValue("#registration-token"), "base64").toString());
    assert.equal(token.billingModel, "Capacity");
    const download = page.waitForEvent("download");
    await page.click("text=Download registration-token.txt");
    assert.equal((await download).suggestedFilename(), "registration-token.txt");
    // Another model makes another token; the old one is put away.
    await page.click('.model:has-text("Development")');
    assert.equal(await page.locator("#registration-token").count(), 0);
  }, { expectErrors: true }));

test("the commands carry what is typed, and nothing that a shell would run", () =>
  operator(async (page) => {
    await open(page, "registration", "#registration-state");
    await page.click("text=Renew the registration");
    await page.fill("#place-url", "https://sell.example:8443/");
    await page.fill("#place-name", "north'; reboot #$(id)");
    for (const [tool, word] of [["curl", "curl -sS"], ["Azure CLI", "az rest"], ["PowerShell", "Invoke-RestMethod"]]) {
      await page.click(`.segment:has-text("${tool}")`);
      const text = await page.textContent(".commands pre");
      assert.ok(text.includes(word), text);
      assert.ok(text.includes("https://sell.example:8443/subscriptions/"), text);
      assert.ok(text.includes("/registrations/northreboot(id)'"), text);
    }
  }));

test("a damaged activation key is refused with the reason, and the stamp stays as it is", () =>
  operator(async (page) => {
    await open(page, "registration", "#registration-state");
    const before = await get(page, "/v1/registration");
    await page.click("text=Renew the registration");
    await page.setInputFiles('input[type="file"]', { name: "activation-key.txt", mimeType: "text/plain", buffer: Buffer.from("only.two\n") });
    await page.waitForFunction(() => document.querySelector("#activation-key").value === "only.two");
    await page.click('button:text-is("Activate")');
    await page.waitForSelector('.notice.bad:has-text("InvalidActivationKey")');
    assert.match(await page.textContent(".notice.bad"), /three parts|damaged/);
    assert.equal(await page.inputValue("#activation-key"), "only.two", "what was pasted stays, to be mended");
    assert.deepEqual(await get(page, "/v1/registration"), before);
  }, { expectErrors: true }));

test("a stamp is deactivated, makes a token, is registered and activated again", () =>
  operator(async (page) => {
    await open(page, "registration", "#registration-state");
    await page.click("text=Deactivate …");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Remove the activation");
    await page.click(".notice >> text=Cancel");
    await page.click("text=Deactivate …");
    await page.click("text=Remove the activation");
    await page.waitForSelector("text=Begin with step 1");
    assert.equal((await get(page, "/v1/registration")).state, "Not registered");

    await page.click("text=Make the token");
    await page.waitForSelector("#registration-token");
    const key = await register(await page.inputValue("#registration-token"));
    await page.fill("#activation-key", `\n${key}\n`);
    await page.click('button:text-is("Activate")');
    await page.waitForSelector('.badge:text-is("Registered")');
    assert.equal(await page.textContent('[role="status"]'), "The stamp is activated.");
    const { activation } = await get(page, "/v1/registration");
    assert.equal(activation.registrationName, subject.commerce.registration);
    assert.ok((await page.textContent(".facts")).includes(activation.signerKeyId));
  }));

// ---- tenants ----

test("tenants that nobody mapped come first, and what is shown is what was used, digit by digit", () =>
  operator(async (page) => {
    await open(page, "tenants", ".tenant");
    const { from, to, value } = await get(page, "/v1/tenants?limit=1000");
    const badges = await page.locator(".tenant .badge").allTextContents();
    assert.deepEqual(badges.toSorted(), value.map(({ mapped }) => (mapped ? "Mapped" : "Not mapped")).toSorted());
    assert.ok(badges.indexOf("Mapped") > badges.lastIndexOf("Not mapped"), badges.join());
    const records = new Map(value.map((row) => [row.tenantId ?? "", Number(row.records)]));
    for (const section of ["tenants-unmapped", "tenants-mapped"]) {
      const rows = await page.locator(`section[aria-labelledby=${section}] .tenant`).evaluateAll((list) => list.map((row) => row.dataset.tenant));
      const counts = rows.map((id) => records.get(id));
      assert.deepEqual(counts, counts.toSorted((a, b) => b - a), "those with most usage first");
    }

    const more = page.locator(".tenant .link-button");
    for (let left = await more.count(); left > 0; left--) await more.first().click();
    assert.equal(await more.count(), 0);
    const shown = await page.locator(".tenant [data-quantity]").evaluateAll((cells) => cells.map((cell) => cell.dataset.quantity));
    const used = await summary(browser, page, { from, to, axis: "usage", granularity: "total", groupBy: "meter" });
    assert.equal(sum(shown), sum(used.map(({ quantity }) => quantity)), "all tenants together used what the stamp metered");

    assert.equal(await page.locator('button:has-text("Attribute")').count(), 0, "operators only look");
    assert.match(await page.textContent("main"), /is set on the commercial\s+side/);
  }));

test("a meter's name is not broken inside a word", () =>
  commerce(async (page) => {
    await open(page, "tenants", ".tenant");
    const more = page.locator(".link-button");
    for (let left = await more.count(); left > 0; left--) await more.first().click();
    const broken = await page.locator(".quantities tbody th").evaluateAll((cells) => cells.flatMap((cell) =>
      [...cell.textContent.matchAll(/[^\s-]+/g)].filter(({ 0: word, index }) => {
        const range = document.createRange();
        range.setStart(cell.firstChild, index);
        range.setEnd(cell.firstChild, index + word.length);
        return range.getClientRects().length > 1;
      }).map(([word]) => word)));
    assert.deepEqual(broken, []);
  }));

test("last month is the whole month before", () =>
  operator(async (page) => {
    await open(page, "tenants", ".tenant, .empty");
    const { from } = await get(page, "/v1/tenants?limit=1");
    await page.click('.segment:has-text("Last month")');
    const start = new Date(from);
    const before = iso(Date.UTC(start.getUTCFullYear(), start.getUTCMonth() - 1, 1)).slice(0, 16).replace("T", " ");
    await page.waitForSelector(`.summary:has-text("${before} to ${from.slice(0, 16).replace("T", " ")}")`);
    await page.click('.segment:has-text("This month")');
    await page.waitForSelector(`.summary:has-text("usage from ${from.slice(0, 16).replace("T", " ")}")`);
  }));

test("a tenant is attributed from a day on, the history tells who paid, and it can be taken back", () =>
  commerce(async (page) => {
    await open(page, "tenants", ".tenant");
    const { row, customer } = await candidates(page);
    const card = page.locator(".tenant", { hasText: row.tenantId });
    const day = iso(Math.floor((Date.parse((await get(page, "/v1/tenants?limit=1")).to) - DAY) / DAY) * DAY);
    const before = iso(Date.parse(day) - DAY);

    await card.locator('button:has-text("Attribute")').click();
    await page.fill("#attribute-customer", NOBODYS);
    await page.click('.dialog button:text-is("Save")');
    await page.waitForSelector('.dialog .notice.bad:has-text("InvalidCustomerSubscriptionId")');
    await page.fill("#attribute-customer", customer);
    await page.fill('.dialog input[name="from-day"]', day.slice(0, 10));
    await page.click('.dialog button:text-is("Save")');
    await page.waitForSelector(".dialog", { state: "detached" });
    await card.locator('.badge:text-is("Mapped")').waitFor();
    assert.ok((await card.textContent()).includes(customer));

    const ask = async (time, kind) => {
      await page.fill('.dialog input[name="asked-day"]', time.slice(0, 10));
      await page.selectOption('.dialog select[name="asked-hour"]', time.slice(11, 13));
      await page.click("text=Tell");
      await page.waitForSelector(`.asked:has-text("${time.slice(0, 16).replace("T", " ")}"):has-text("${kind}")`);
      return page.textContent(".asked");
    };
    await card.locator('button:has-text("History")').click();
    await page.waitForSelector(".dialog tbody tr");
    assert.ok((await ask(day, "The customer's subscription")).includes(customer));
    assert.ok((await ask(iso(Date.parse(day) - 3_600_000), "The default subscription")).includes(subject.commerce.subscriptionId));
    await ask(before, "The default subscription");
    await page.keyboard.press("Escape");

    await card.locator('button:has-text("Attribute")').click();
    await page.click('.dialog label:has-text("The default subscription")');
    await page.fill('.dialog input[name="from-day"]', day.slice(0, 10));
    await page.click('.dialog button:text-is("Save")');
    await page.waitForSelector(".dialog", { state: "detached" });
    await card.locator('.badge:text-is("Not mapped")').waitFor();
  }, { expectErrors: true }));

test("a server that has no usage shows who pays and makes up no figures", () =>
  commerce(async (page) => {
    const payer = { kind: "customer", subscriptionId: CUSTOMER, from: "2026-03-01T00:00:00Z", to: "2026-03-05T11:00:00Z", quantities: [] };
    const answer = { from: payer.from, to: payer.to, usage: "not forwarded yet",
      value: [{ tenantId: NOBODYS, displayName: "", mapped: true, subscriptions: [], payers: [payer] }] };
    await page.route("**/v1/tenants?*", (route) => route.fulfill({ json: answer }));
    await open(page, "tenants", ".tenant");
    const text = await page.textContent("main");
    assert.ok(text.includes("Quantities: not forwarded yet.") && text.includes(CUSTOMER));
    assert.ok(!text.includes("No usage."), "nobody knows that there was none");
  }));

// ---- customers ----

test("a customer is shown by its tenant's name above the id, where the stamp told the name", () =>
  commerce(async (page) => {
    await open(page, "customers", ".customers");
    await page.selectOption("#customers-registration", { label: `${subject.commerce.registration} in ${subject.commerce.resourceGroup}` });
    await page.waitForSelector(".customers tbody strong");
    const names = new Map((await get(page, "/v1/tenants?limit=1000")).value.map(({ tenantId, displayName }) => [tenantId, displayName]));
    const shown = await page.locator(".customers tbody th").evaluateAll((cells) =>
      cells.map((cell) => [cell.querySelector("code").textContent, cell.querySelector("strong")?.textContent ?? ""]));
    assert.ok(shown.length > 0 && shown.some(([, name]) => name));
    for (const [id, name] of shown) assert.equal(name, names.get(id) ?? "");
  }));

test("the customers are those of the API, now and as they were", () =>
  commerce(async (page) => {
    await open(page, "customers", ".customers");
    const query = `registration=${subject.commerce.registration}&subscriptionId=${subject.commerce.subscriptionId}`;
    await page.selectOption("#customers-registration", { label: `${subject.commerce.registration} in ${subject.commerce.resourceGroup}` });
    await page.waitForSelector(".customers tbody tr");
    const shown = () => page.locator(".customers tbody tr").evaluateAll((rows) => rows.map((row) => [...row.querySelectorAll("code")].map((code) => code.textContent).join()));
    const expected = async (more = "") => (await get(page, `/v1/commerce/customers?${query}${more}`)).value
      .map(({ tenantId, customerSubscriptionId }) => `${tenantId},${customerSubscriptionId}`);
    const now = await expected();
    assert.deepEqual(await shown(), now);
    // Somebody changed subscriptions half-way in the demo: as of then it was another.
    const { to } = await get(page, "/v1/tenants?limit=1");
    const early = iso(Math.floor(Date.parse(to) / DAY) * DAY - 30 * DAY);
    await page.fill('input[name="at-day"]', early.slice(0, 10));
    await page.click('button:text-is("Show")');
    await page.waitForSelector(`.summary:has-text("${early.slice(0, 10)}"), .empty:has-text("${early.slice(0, 10)}")`);
    assert.deepEqual(await shown(), await expected(`&at=${early}`));
    await page.click('button:text-is("Now")');
    await page.waitForSelector('.summary:has-text("now")');
    assert.deepEqual(await shown(), now);
  }));

test("a tenant is mapped and its mapping ended again", () =>
  commerce(async (page) => {
    await open(page, "customers", ".customers");
    const { row, customer } = await candidates(page);
    await page.selectOption("#customers-registration", { label: `${subject.commerce.registration} in ${subject.commerce.resourceGroup}` });
    await page.click("text=Map a tenant");
    await page.fill("#attribute-tenant", "no tenant");
    await page.fill("#attribute-customer", customer);
    await page.click('.dialog button:text-is("Save")');
    await page.waitForSelector('.dialog .notice.bad:has-text("tenantId")');
    await page.fill("#attribute-tenant", row.tenantId);
    await page.click('.dialog button:text-is("Save")');
    await page.waitForSelector(".dialog", { state: "detached" });
    const line = page.locator(".customers tr", { hasText: row.tenantId });
    await line.waitFor();
    await line.locator('button:has-text("End …")').click();
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "End it");
    await page.keyboard.press("Enter");
    await line.waitFor({ state: "detached" });
    assert.ok((await page.textContent('[role="status"]')).includes("The default subscription pays"));
  }, { expectErrors: true }));

test("an export is a file that changes nothing when it is imported, and refused lines say why", () =>
  commerce(async (page) => {
    await open(page, "customers", ".customers");
    await page.selectOption("#customers-registration", { label: `${subject.commerce.registration} in ${subject.commerce.resourceGroup}` });
    await page.waitForSelector(".customers tbody tr");
    const count = await page.locator(".customers tbody tr").count();
    const download = page.waitForEvent("download");
    await page.click("text=Export CSV");
    const file = await (await import("node:fs/promises")).readFile(await (await download).path(), "utf8");
    assert.equal(readCsv(file).length, count);

    const choose = (text) => page.setInputFiles('.dialog input[type="file"]', { name: "customers.csv", mimeType: "text/csv", buffer: Buffer.from(text) });
    await page.click("text=Import CSV");
    await choose(file);
    await page.waitForSelector(`.dialog [role="status"]:has-text("0 would change who pays, ${count} as it is already, 0 refused")`);
    assert.ok(await page.isDisabled('.dialog button:has-text("Apply")'));

    const { row, customer } = await candidates(page);
    await choose(`tenantId,customerSubscriptionId\n${row.tenantId},${customer}\n${row.tenantId.replace(/^./, "f")},${NOBODYS}\n`);
    await page.waitForSelector('.dialog [role="status"]:has-text("1 would change who pays, 0 as it is already, 1 refused")');
    assert.ok((await page.textContent(".dialog tbody tr >> nth=0")).includes("InvalidCustomerSubscriptionId"), "refused lines come first");
    assert.equal((await get(page, `/v1/commerce/customers?registration=${subject.commerce.registration}`)).value.length, count, "a dry run changes nothing");
    await page.click("text=Apply 1 change");
    await page.waitForSelector('.dialog [role="status"]:has-text("1 changed who pays")');
    await page.click('.dialog button:text-is("Done")');
    await page.locator(".customers tr", { hasText: row.tenantId }).waitFor();

    await page.click("text=Import CSV");
    await choose(`tenantId,customerSubscriptionId\n${row.tenantId},\n`);
    await page.click("text=Apply 1 change");
    await page.waitForSelector('.dialog [role="status"]:has-text("1 changed who pays")');
    await choose("this is no such file\n");
    await page.waitForSelector('.dialog .notice.bad:has-text("customers.csv was not taken")');
  }, { expectErrors: true }));

// ---- registrations and approvals ----

test("what waits for approval comes first, is approved with one click, and taken back", () =>
  commerce(async (page) => {
    await open(page, "registrations", ".decision");
    const { value } = await get(page, "/v1/commerce/approvals");
    const waiting = value.filter(({ state }) => state === "Requested").map(({ registrationName }) => registrationName);
    assert.ok(waiting.length > 0);
    const names = await page.locator("main section h2").allTextContents();
    assert.ok(waiting.includes(names[0].trim().split(" ")[0]), names.join());

    const card = page.locator("section", { has: page.locator(`h2:has-text("${subject.commerce.registration}")`) });
    assert.ok((await card.textContent()).includes("Approved for customers"));
    await card.locator('button:has-text("Take back")').click();
    await card.locator('.badge:text-is("Approval taken back")').waitFor();
    await card.locator('button:has-text("Request")').click();
    await card.locator('.badge:text-is("Approval requested")').waitFor();
    await card.locator('button:has-text("Approve")').click();
    await card.locator('.badge:text-is("Approved for customers")').waitFor();
    assert.ok((await page.textContent('[role="status"]')).includes("may add customers"));
    const key = await get(page, "/v1/commerce/key");
    assert.ok((await page.textContent("main")).includes(key.kid));
  }));

test("an approval that is refused says why and changes nothing", () =>
  commerce(async (page) => {
    await open(page, "registrations", ".decision");
    const error = { code: "Conflict", message: "its subscription is EA, and only CSP and APSS can have customers" };
    await page.route("**/v1/commerce/approvals/**", (route) => route.fulfill({ status: 409, json: { error } }));
    const card = page.locator("section", { has: page.locator('.badge:text-is("Approval requested")') }).first();
    await card.locator('button:has-text("Approve")').click();
    await card.locator('.notice.bad:has-text("only CSP and APSS")').waitFor();
    assert.equal(await card.locator('.badge:text-is("Approval requested")').count(), 1);
  }, { expectErrors: true }));

// ---- partners ----

test("a reseller stands under its provider, and a partner in use is not removed", () =>
  commerce(async (page) => {
    await open(page, "partners", ".tree");
    const { value } = await get(page, "/v1/commerce/partners");
    const provider = value.find(({ kind }) => kind === "indirectProvider");
    const save = page.locator('.dialog button:text-is("Save")');
    await page.click("text=Add a partner");
    await page.fill("#form-partner", "no blanks");
    await page.fill("#form-name", "Blue Yonder");
    await page.selectOption("#form-kind", "indirectReseller");
    await page.selectOption("#form-provider", provider.partnerId);
    await page.fill("#form-partner", "9-9_9");
    await save.click();
    await page.waitForSelector(".dialog", { state: "detached" });
    const under = page.locator(".tree > li", { hasText: provider.name }).locator("ul");
    await under.locator('text="Blue Yonder"').waitFor();
    await page.click('button[aria-label="Edit Blue Yonder"]');
    assert.equal(await page.inputValue("#form-provider"), provider.partnerId);
    await page.fill("#form-name", "Blue Yonder Two");
    await save.click();
    await under.locator('text="Blue Yonder Two"').waitFor();

    await page.click(`button[aria-label="Remove ${provider.name}"]`);
    await page.click('button:text-is("Remove")');
    await page.waitForSelector('.notice.bad:has-text("Conflict")');
    await page.click('button[aria-label="Remove Blue Yonder Two"]');
    await page.click('button:text-is("Remove")');
    await under.locator('text="Blue Yonder Two"').waitFor({ state: "detached" });
  }, { expectErrors: true }));

test("a subscription is entered, disabled and removed; what does not fit is refused by the server", () =>
  commerce(async (page) => {
    await open(page, "partners", ".tree");
    const id = "77777777-1111-4222-8333-444444444444";
    await page.click("text=Add a subscription");
    await page.fill("#form-subscription", "no id");
    await page.fill("#form-tenant", NOBODYS);
    await page.click('.dialog button:text-is("Save")');
    await page.waitForSelector('.dialog .notice.bad:has-text("subscriptionId")');
    await page.fill("#form-subscription", id);
    await page.selectOption("#form-offer", "EA");
    assert.equal(await page.locator("#form-partner").count(), 0, "nobody bills for an enterprise agreement");
    await page.click('.dialog button:text-is("Save")');
    await page.waitForSelector(".dialog", { state: "detached" });
    await page.fill("#subscription-filter", id);
    const line = page.locator("tbody tr", { hasText: id });
    await line.locator("text=EA").waitFor();
    assert.equal(await page.locator("tbody tr").count(), 1);
    await line.locator('button:has-text("Edit")').click();
    await page.selectOption("#form-state", "Disabled");
    await page.click('.dialog button:text-is("Save")');
    await line.locator('.badge:text-is("Disabled")').waitFor();
    await line.locator('button:has-text("Remove …")').click();
    await page.keyboard.press("Enter");
    await page.waitForSelector("text=No subscription has this text.");
  }, { expectErrors: true }));

// ---- providers ----

test("the tree of providers is that of the API, with each one's direct tenants", () =>
  operator(async (page) => {
    await open(page, "providers", ".tree");
    const { value } = await get(page, "/v1/providers");
    assert.ok(value.length > 1, "the demo has a delegated provider");
    const shown = await page.locator(".tree table").evaluateAll((tables) => tables.map((table) => table.querySelectorAll("tbody tr").length));
    assert.deepEqual(shown, value.filter(({ tenants }) => tenants.length > 0).map(({ tenants }) => tenants.length));
    const delegated = value.find(({ parentSubscriptionId }) => parentSubscriptionId);
    const inner = page.locator(".tree .tree", { hasText: delegated.providerSubscriptionId });
    for (const { subscriptionId } of delegated.tenants) assert.ok((await inner.textContent()).includes(subscriptionId));
    await page.fill('input[name="at-day"]', "2020-01-01");
    await page.click('button:text-is("Show")');
    await page.waitForSelector('.summary:has-text("2020-01-01 00:00 UTC")');
  }));

// ---- for everybody, everywhere ----

/** Signs in once per role and goes through its pages. */
const everyPage = async (run, options) => {
  for (const role of ["operator", "commerce"]) {
    await as[role](async (page) => {
      for (const [of, name, wait] of PAGES) if (of === role) await run(page, role, name, wait);
    }, options);
  }
};

test("a page whose figures cannot be read says so, and reads them when it is asked again", () =>
  everyPage(async (page, _, name, wait) => {
    const figures = /\/v1\/(?!session|status|meters|subscriptions)/;
    const error = { code: "ServiceUnavailable", message: "busy; send it again" };
    await page.route(figures, (route) => route.fulfill({ status: 503, json: { error } }));
    await page.goto(`${browser.base}/#/${name}`);
    await page.reload(); // it may be the page that is shown already
    await page.waitForSelector('.notice.bad:has-text("busy; send it again")');
    await page.unroute(figures);
    await page.click("text=Try again");
    await page.waitForSelector(wait);
    assert.equal(await page.locator(".notice.bad").count(), 0, name);
  }, { expectErrors: true }));

/** Opens each page and its dialogs, and looks at each. */
const visit = (look, options) =>
  everyPage(async (page, role, name, wait) => {
    await open(page, name, wait);
    await look(page, `${name} of ${role}`);
    const dialogs = { customers: ["Map a tenant", "Import CSV"], partners: ["Add a partner", "Add a subscription"],
      tenants: role === "commerce" ? ["Attribute …", "History"] : [] }[name] ?? [];
    for (const words of dialogs) {
      await page.click(`button:has-text("${words}") >> nth=0`);
      await page.waitForFunction(() => document.querySelector(".dialog") && !document.querySelector(".loading"));
      await look(page, `${name}, ${words}`);
      await page.keyboard.press("Escape");
      await page.waitForSelector(".dialog", { state: "detached" });
    }
    if (name === "registration") {
      await page.click("text=Renew the registration");
      await look(page, "the steps of registration");
    }
  }, options);

test("these pages and their dialogs pass axe in both themes", async () => {
  for (const dark of [false, true]) await visit((page, what) => checkAccessibility(page, `${what}, ${dark ? "dark" : "light"}`), { dark });
});

test("these pages and their dialogs are no wider than a phone", () => visit(checkWidth, { phone: true }));

test("a dialog keeps the keyboard, Escape closes it, and the focus goes back to where it was", () =>
  commerce(async (page) => {
    await open(page, "partners", ".tree");
    await page.focus('button:has-text("Add a partner")');
    await page.keyboard.press("Enter");
    await page.waitForSelector(".dialog");
    for (let presses = 0; presses < 12; presses++) {
      await page.keyboard.press("Tab");
      const where = await page.evaluate(() => (document.activeElement.closest(".dialog") ? "dialog" : document.activeElement.tagName));
      assert.ok(["dialog", "BODY"].includes(where), `the focus went to ${where}`); // BODY: the browser's own bar
    }
    await page.keyboard.press("Escape");
    await page.waitForSelector(".dialog", { state: "detached" });
    assert.equal(await page.evaluate(() => document.activeElement.textContent.trim()), "Add a partner");
    await page.keyboard.press("Enter");
    await page.focus('.dialog button:text-is("Cancel")');
    await page.keyboard.press("Enter");
    await page.waitForSelector(".dialog", { state: "detached" });
    assert.equal(await page.evaluate(() => document.activeElement.textContent.trim()), "Add a partner");
    await open(page, "registrations", ".decision");
    await page.focus('nav a:has-text("Customers")');
    await page.keyboard.press("Enter");
    await page.waitForSelector(".customers");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Customers");
  }));
