/* The part of the mock that imitates registration, customers, partners and providers: the shapes are the server's, the rules
 * are as few as the console's tests need. */

const HOUR = 3_600_000;
const isoTime = (ms) => new Date(ms).toISOString().replace(".000Z", "Z");
const hourOf = (ms) => Math.floor(ms / HOUR) * HOUR;

const BASE = "3f0c7a52-8b1e-4f7d-9a46-0d2c5b8e7101";
const OTHER_BASE = "3f0c7a52-8b1e-4f7d-9a46-0d2c5b8e7102";
const CLOUD = "f5fac26a-0f0e-4a5a-9d44-6e1c2b3a4d01";
export const COMMERCE = { username: "commerce", password: "commerce", role: "commerce", subscriptionId: BASE, resourceGroup: "azurestack",
  registration: `azurestack-${CLOUD}`, partnerId: "4711" };
const KEY_ID = "mA7ZsE5yqfIHlUTkZqCRhSJ3Qk3aB0RvlLcS6tYqZ6w";
const customerSubscription = (digit) => `9c1d2e3f-4a5b-4c6d-8e7f-${String(digit).repeat(12)}`;

const registration = (name, cloudId, subscriptionId, time, more) => ({
  id: `/subscriptions/${subscriptionId}/resourceGroups/azurestack/providers/Microsoft.AzureStack/registrations/${name}`,
  subscriptionId, resourceGroup: "azurestack", name, cloudId, billingModel: "PayAsYouUse", usageReporting: true, cores: 128,
  created: time, changed: time, registered: time, createdBy: "commerce", changedBy: "commerce", expires: null, state: "Active", etag: "1", ...more });

export class Commerce {
  constructor({ now, tenants, provider, Refusal }) {
    Object.assign(this, { tenants, provider, Refusal });
    this.start = isoTime(hourOf(now) - 60 * 24 * HOUR);
    this.activation = { registrationResourceId: "", subscriptionId: BASE, resourceGroup: "azurestack", registrationName: `azurestack-${CLOUD}`,
      billingModel: "PayAsYouUse", usageReporting: true, marketplaceSyndication: true, usageEndpoint: "https://commerce.example", issued: this.start,
      expires: null, activatedTime: this.start, by: "operator", signerKeyId: KEY_ID };
    this.registrations = [registration(`azurestack-${CLOUD}`, CLOUD, BASE, this.start),
      registration("azurestack-north", "0a0b0c0d-1111-4222-8333-444455556666", OTHER_BASE, this.start)];
    this.approvals = new Map([[this.registrations[0].name, { state: "Approved", changedTime: this.start, by: "commerce" }],
      ["azurestack-north", { state: "Requested", changedTime: this.start, by: "commerce" }]]);
    this.partners = [{ partnerId: "4711", name: "Adventure Cloud", kind: "direct", providerId: null },
      { partnerId: "8000", name: "Northwind Distribution", kind: "indirectProvider", providerId: null },
      { partnerId: "8001", name: "Lucerne Resale", kind: "indirectReseller", providerId: "8000" }];
    const sold = (subscriptionId, more) => ({ subscriptionId, tenantId: tenants[0].tenantId, partnerId: "4711", resellerId: null, offer: "CSP", state: "Active", ...more });
    this.subscriptions = [sold(BASE, { offer: "APSS", tenantId: "5b5b5b5b-0000-4000-8000-000000000001" }), sold(customerSubscription(1)),
      sold(customerSubscription(2), { tenantId: tenants[1].tenantId }), sold(customerSubscription(3), { partnerId: "8000", resellerId: "8001" }),
      sold(OTHER_BASE, { offer: "EA", partnerId: null }), sold(customerSubscription(4), { state: "Disabled" })];
    this.changes = []; // {registration, tenantId, effectiveFrom, customerSubscriptionId | null, recordedTime, by}
    this.change(tenants[0].tenantId, customerSubscription(4), hourOf(now) - 50 * 24 * HOUR, now - 50 * 24 * HOUR);
    this.change(tenants[0].tenantId, customerSubscription(1), hourOf(now) - 9 * 24 * HOUR, now - 9 * 24 * HOUR);
  }

  change(tenantId, customerSubscriptionId, effective, recorded, registrationName = this.registrations[0].name) {
    if (this.at(tenantId, effective, registrationName)?.customerSubscriptionId === customerSubscriptionId) return false;
    this.changes.push({ number: String(this.changes.length + 1), registration: registrationName, tenantId, customerSubscriptionId,
      effectiveFrom: isoTime(effective), recorded: isoTime(recorded), by: "commerce" });
    return true;
  }

  /* The change that was recorded last among those that hold at a time. */
  at(tenantId, time, name) {
    return this.changes.findLast((each) => each.tenantId === tenantId && each.registration === name && Date.parse(each.effectiveFrom) <= time);
  }

  mapped(name, time) {
    return [...new Set(this.changes.map(({ tenantId }) => tenantId))].map((tenantId) => this.at(tenantId, time, name))
      .filter((each) => each?.customerSubscriptionId).map(({ number, ...each }) => each);
  }

  refuse(status, code, message, target) {
    throw new this.Refusal(status, code, message, target);
  }

  known(name) {
    return this.registrations.find((each) => each.name === name) ?? this.refuse(404, "RegistrationNotFound",
      `there is no registration '${name}'; look it up in the list of registrations`);
  }

  /** {status, body} of a request, or undefined when it is not about any of this. `rows` are summary rows by subscription and meter. */
  answer(request) {
    const { method, path, session } = request;
    if (path === "/v1/tenants") return this.allow(session, ["operator", "commerce"], () => this.report(request));
    if (path.startsWith("/v1/commerce/") || path.includes("/Microsoft.AzureStack/registrations/")) {
      return this.allow(session, ["commerce"], () => this.commercial(request));
    }
    const stamp = { "GET /v1/registration": () => this.state(), "POST /v1/registration/token": () => this.token(request.body),
      "GET /v1/providers": () => this.providers(), "GET /subscriptions": () => ({ value: [{ subscriptionId: this.provider }] }) }[`${method} ${path}`];
    if (stamp) return this.allow(session, ["operator"], stamp);
    if (path.endsWith("/Microsoft.AzureBridge.Admin/activations/default")) return this.allow(session, ["operator"], () => this.activate(request));
    return undefined;
  }

  allow({ role }, roles, run) {
    if (!roles.includes(role)) this.refuse(403, "AuthorizationFailed", "this identity may not perform the action");
    const answer = run();
    return answer?.status ? answer : { status: 200, body: answer };
  }

  /* ---- the stamp's side ---- */

  state() {
    return { state: this.activation ? "Registered" : "Not registered", cloudId: CLOUD, deploymentId: "d0d0d0d0-0000-4000-8000-000000000001",
      stampVersion: "0.1.0", publicKeyId: "0fQm1bX3yJdYt0m8yMZkW4h1Zl5n2cJ7uVb9eQxR8sA", trustedSigner: KEY_ID, activation: this.activation ?? undefined };
  }

  token(body) {
    if (body.billingModel === "Capacity" && !/^\d+$/.test(body.agreementNumber ?? "")) {
      this.refuse(400, "MissingAgreementNumber", "the capacity model needs the number of the enterprise agreement", "agreementNumber");
    }
    const facts = { billingModel: body.billingModel, cloudId: CLOUD, usageReportingEnabled: body.usageReporting ?? true };
    return { registrationToken: Buffer.from(JSON.stringify(facts)).toString("base64"), ...facts };
  }

  activate({ method, body, now }) {
    if (method === "DELETE") {
      this.activation = null;
      return { status: 200 };
    }
    if (body.properties.activationKey.split(".").length !== 3) {
      this.refuse(400, "InvalidActivationKey", "the activation key is damaged: it has three parts with dots between them; copy it again", "properties.activationKey");
    }
    this.activation = { ...this.activation, subscriptionId: BASE, resourceGroup: "azurestack", registrationName: `azurestack-${CLOUD}`, billingModel: "PayAsYouUse",
      usageReporting: true, usageEndpoint: "https://commerce.example", expires: null, activatedTime: isoTime(now), by: "operator", signerKeyId: KEY_ID };
    return { properties: { provisioningState: "Succeeded" } };
  }

  providers() {
    const row = ({ subscriptionId, displayName = "", tenantId = null, state }) => ({ subscriptionId, displayName, tenantId, state, since: this.start });
    return { value: [
      { providerSubscriptionId: this.provider, displayName: "", state: "Enabled", level: 0, tenants: this.tenants.slice(1).map(row) },
      { providerSubscriptionId: this.tenants[0].subscriptionId, displayName: "Proseware Hosting", state: "Enabled", level: 1, parentSubscriptionId: this.provider,
        tenants: [row(this.tenants[0])] },
    ] };
  }

  /* ---- the commercial side ---- */

  report({ query, now, usageOf }) {
    const date = new Date(now);
    const from = Date.parse(query.get("from") ?? "") || Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1);
    const to = Date.parse(query.get("to") ?? "") || hourOf(now) + HOUR;
    const entries = this.tenants.map((tenant) => {
      const cuts = this.changes.filter((each) => each.tenantId === tenant.tenantId).map((each) => Date.parse(each.effectiveFrom)).filter((at) => at > from && at < to);
      const edges = [...new Set([from, ...cuts.sort((a, b) => a - b), to])];
      const payers = edges.slice(0, -1).map((start, index) => {
        const change = this.at(tenant.tenantId, start, this.registrations[0].name);
        const quantities = usageOf(tenant.subscriptionId, start, edges[index + 1]);
        return { kind: change?.customerSubscriptionId ? "customer" : "default", subscriptionId: change?.customerSubscriptionId ?? BASE,
          from: isoTime(start), to: isoTime(edges[index + 1]), since: change?.effectiveFrom ?? this.start, quantities };
      });
      return { tenantId: tenant.tenantId ?? null, cloudId: CLOUD, displayName: tenant.displayName ?? "", payers, subscriptions: [tenant],
        mapped: Boolean(this.at(tenant.tenantId, to - HOUR, this.registrations[0].name)?.customerSubscriptionId) };
    });
    const unmapped = entries.filter(({ mapped }) => !mapped);
    return { from: isoTime(from), to: isoTime(to), value: [...unmapped, ...entries.filter(({ mapped }) => mapped)], complete: to <= now,
      totals: { none: { tenants: 0, quantities: [] }, default: { tenants: unmapped.length, quantities: unmapped[0].payers[0].quantities }, customer: { tenants: 1, quantities: [] } } };
  }

  commercial(request) {
    const { method, path, query } = request;
    const time = Date.parse(query.get("at") ?? "") || request.now;
    const of = (list, key, id) => list.find((each) => each[key].toLowerCase() === id.toLowerCase());
    switch (`${method} ${path}`) {
      case "GET /v1/commerce/registrations":
        return { value: this.registrations };
      case "GET /v1/commerce/key":
        return { kid: KEY_ID, kty: "EC" };
      case "GET /v1/commerce/approvals":
        return { value: this.registrations.map((each) => this.approval(each)) };
      case "GET /v1/commerce/partners":
        return { value: this.partners };
      case "GET /v1/commerce/subscriptions":
        return { value: this.subscriptions };
      case "GET /v1/commerce/customers":
        return this.customers(request, time);
      case "GET /v1/commerce/customers/history":
        return { value: this.changes.filter(({ tenantId, registration: name }) => tenantId === query.get("tenantId") && name === query.get("registration")) };
      case "GET /v1/commerce/payer": {
        const held = this.at(query.get("tenantId"), Date.parse(query.get("time")), this.registrations[0].name);
        return { kind: held?.customerSubscriptionId ? "customer" : "default", subscriptionId: held?.customerSubscriptionId ?? BASE, charged: true,
          billingModel: "PayAsYouUse", since: held?.effectiveFrom ?? this.start };
      }
      case "POST /v1/commerce/customers/import":
        return this.import(request);
    }
    const [, table, id, request_] = /^\/v1\/commerce\/(partners|subscriptions|approvals)\/([^/]+)(\/request)?$/.exec(path) ?? [];
    if (table === "approvals") return this.approve(request, decodeURIComponent(id), request_);
    if (table) return this.entry(request, table, table === "partners" ? "partnerId" : "subscriptionId", decodeURIComponent(id), of);
    if (path.endsWith("/getactivationkey")) return { activationKey: "mock.activation.key" };
    if (/\/registrations\/[^/]+$/.test(path)) return { properties: { cloudId: CLOUD } };
    const [, name, customer] = /\/registrations\/([^/]+)\/customerSubscriptions\/([^/]+)$/.exec(path) ?? this.refuse(404, "ResourceNotFound", "there is nothing at this address");
    return this.map(request, this.known(decodeURIComponent(name)), decodeURIComponent(customer));
  }

  approval({ name, subscriptionId, resourceGroup, cloudId, billingModel }) {
    const { subscriptionId: id, ...base } = this.subscriptions.find((each) => each.subscriptionId === subscriptionId) ?? {};
    return { registrationName: name, subscriptionId, resourceGroup, cloudId, billingModel, state: "NotRequested", by: null, changedTime: null,
      baseSubscription: id ? base : null, ...this.approvals.get(name) };
  }

  approve({ body, now }, name, requested) {
    const row = this.known(name);
    const base = this.approval(row).baseSubscription;
    if (!requested && body.multitenant && !["CSP", "APSS"].includes(base?.offer)) {
      this.refuse(409, "Conflict", `'${name}' cannot have customers: its subscription ${row.subscriptionId} is ${base?.offer}, and only CSP and APSS can`);
    }
    this.approvals.set(name, { state: requested ? "Requested" : body.multitenant ? "Approved" : "Revoked", changedTime: isoTime(now), by: "commerce" });
    return this.approval(row);
  }

  entry({ method, body }, table, key, id, of) {
    const found = of(this[table], key, id);
    if (method === "DELETE") {
      if (table === "partners" && [...this.subscriptions, ...this.partners].some((each) => each !== found && [each.partnerId, each.resellerId, each.providerId].includes(id))) {
        this.refuse(409, "Conflict", `partner '${id}' is referred to by a subscription or a reseller; change that first`);
      }
      this[table] = this[table].filter((each) => each !== found);
      return { status: found ? 200 : 204 };
    }
    if (table === "subscriptions" && !/^[0-9a-f-]{36}$/i.test(id)) this.refuse(400, "InvalidProperty", "subscriptionId must be a GUID", "subscriptionId");
    const now = table === "partners" ? { partnerId: id, providerId: null, ...body } : { subscriptionId: id, partnerId: null, resellerId: null, ...body };
    if (found) Object.assign(found, now);
    else this[table].push(now);
    return { status: found ? 200 : 201, body: now };
  }

  check(row, customer) {
    const sold = this.subscriptions.find(({ subscriptionId }) => subscriptionId === customer);
    if (this.approvals.get(row.name)?.state !== "Approved") {
      this.refuse(403, "UnauthorizedCspRegistration", `registration '${row.name}' is not approved for customers; have it approved first`);
    }
    if (!sold) this.refuse(400, "InvalidCustomerSubscriptionId", `nobody knows a subscription '${customer}'; check the id`);
    if (sold.partnerId !== "4711") this.refuse(400, "BadCustomerSubscriptionId", `subscription '${customer}' belongs to another partner than the registration's`);
  }

  map({ method, body, query, now }, row, customer) {
    const from = Date.parse((method === "PUT" ? body.properties.effectiveFrom : query.get("effectiveFrom")) ?? "") || hourOf(now);
    if (method === "DELETE") {
      const held = this.mapped(row.name, from).filter((each) => each.customerSubscriptionId === customer);
      for (const { tenantId } of held) this.change(tenantId, null, from, now, row.name);
      return { status: held.length > 0 ? 200 : 204 };
    }
    this.check(row, customer);
    if (!/^[0-9a-f-]{36}$/i.test(body.properties.tenantId)) this.refuse(400, "InvalidProperty", "tenantId must be a GUID", "properties.tenantId");
    // A subscription pays for one tenant: the one that it paid for falls back to the default.
    for (const held of this.mapped(row.name, from)) {
      if (held.customerSubscriptionId === customer && held.tenantId !== body.properties.tenantId) this.change(held.tenantId, null, from, now, row.name);
    }
    this.change(body.properties.tenantId, customer, from, now, row.name);
    return { properties: body.properties };
  }

  customers({ query, csv }, time) {
    const { name } = this.known(query.get("registration"));
    const value = this.mapped(name, time).filter(({ tenantId }) => !query.has("tenantId") || tenantId === query.get("tenantId"));
    if (!csv) return { value };
    const lines = value.map((each) => [each.tenantId, each.customerSubscriptionId, each.effectiveFrom].join(","));
    return { status: 200, text: ["tenantId,customerSubscriptionId,effectiveFrom", ...lines, ""].join("\r\n") };
  }

  import({ text, query, now }) {
    const row = this.known(query.get("registration"));
    const [header, ...lines] = text.trim().split(/\r?\n/).map((line) => line.split(","));
    if (!header.includes("tenantId")) this.refuse(400, "InvalidRequestContent", "the first line names the columns tenantId, customerSubscriptionId and effectiveFrom");
    const results = lines.map((fields, index) => {
      const { tenantId, customerSubscriptionId, effectiveFrom } = Object.fromEntries(fields.map((field, at) => [header[at], field]));
      const result = { line: index + 2, tenantId, customerSubscriptionId, verdict: "Unchanged" };
      try {
        if (customerSubscriptionId) this.check(row, customerSubscriptionId);
        const from = Date.parse(effectiveFrom ?? "") || hourOf(now);
        const wanted = customerSubscriptionId || null;
        if ((this.at(tenantId, from, row.name)?.customerSubscriptionId ?? null) !== wanted) result.verdict = "Changed";
        if (result.verdict === "Changed" && query.get("dryRun") !== "true") this.change(tenantId, wanted, from, now, row.name);
      } catch ({ code, message }) {
        Object.assign(result, { verdict: "Rejected", code, message });
      }
      return result;
    });
    const count = (verdict) => results.filter((each) => each.verdict === verdict).length;
    return { lines: results.length, changed: count("Changed"), unchanged: count("Unchanged"), rejected: count("Rejected"), results };
  }
}
