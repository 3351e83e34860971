/* The tenants report: whose usage it is, who pays, in which order, and that nothing is lost or counted twice. */
#include "commerce/tenants.h"

#include "base/memory.h"
#include "registration/customers.h"
#include "registration/registration.h"
#include "registration/stamp.h"
#include "support/summary_fixture.h"
#include "usage/subscription_history.h"

#define FROM "2026-01-29T00:00:00Z"
#define TO "2026-01-31T12:00:00Z"
#define HOURS 60
#define CORES "FAB6EB84-500B-4A09-A8CA-7358F8BBAEA5"
#define CAPACITY "B4438D5D-453B-4EE1-B42A-DC72E377F1E4"

/* Last byte: 1.. subscriptions, 101.. tenants, 151.. customer subscriptions, 201 base subscription, 221 cloud. */
static struct guid numbered(int number)
{
    return (struct guid){ { [15] = (uint8_t)number } };
}

static int64_t hour(int n)
{
    return test_instant(FROM) + (int64_t)n * NS_PER_HOUR;
}

/* --- what is there --- */

static void describe(struct usage_fixture *f, int subscription, int tenant, int64_t effective_ns)
{
    const struct subscription wanted = {
        .id = numbered(subscription),
        .tenant_id = numbered(tenant),
        .display_name = arena_format(f->arena, "subscription %d", subscription),
        .owner = TEXT(""),
        .offer_id = TEXT(""),
        .deleted_ns = INT64_MIN,
    };
    struct subscription_put put;
    subscription_put_init(&put, &wanted);
    put.effective_ns = effective_ns;
    put.by = TEXT("test");
    assert_ok(store_run(f->base.store, &put.job));
    if (put.refusal != ERROR_OK)
        fail_msg("%s", put.info.message);
}

static uint64_t register_as(struct usage_fixture *f, const char *name, int base, enum billing_model model,
                            int64_t effective_ns)
{
    struct hardware_node node = { .name = TEXT("node"), .uuid = TEXT("00000000000000000000000000000001"), .cores = 8 };
    const struct registration_token token = { .model = model,
                                              .cloud_id = numbered(221),
                                              .agreement_number = TEXT("1"),
                                              .ms_asset_tag = TEXT(""),
                                              .usage_reporting = true,
                                              .stamp_version = TEXT("1.0"),
                                              .issuer = REGISTRATION_TOKEN_ISSUER,
                                              .version = REGISTRATION_TOKEN_VERSION,
                                              .nodes = &node,
                                              .node_count = 1 };
    struct registration_put put = { .path = { numbered(base), TEXT("azurestack"), text_of(name) },
                                    .token = &token,
                                    .by = TEXT("carol"),
                                    .arena = f->arena,
                                    .backdate_ns = store_now_ns(f->base.store) - effective_ns };
    registration_put_init(&put);
    assert_ok(store_run(f->base.store, &put.job));
    if (put.refusal != ERROR_OK)
        fail_msg("%s", put.info.message);
    return put.result.number;
}

static void unregister(struct usage_fixture *f, const char *name, int base)
{
    struct registration_delete removal = { .path = { numbered(base), TEXT("azurestack"), text_of(name) },
                                           .by = TEXT("carol"),
                                           .arena = f->arena };
    registration_delete_init(&removal);
    assert_ok(store_run(f->base.store, &removal.job));
    assert_false(removal.missing);
}

static void make_stamp(struct usage_fixture *f)
{
    const struct stamp ids = { numbered(221), numbered(222) };
    struct stamp_make make;
    stamp_make_init(&make, &ids);
    assert_ok(store_run(f->base.store, &make.job));
}

/* customer 0: the default pays from then on. */
static void map(struct usage_fixture *f, uint64_t registration, int tenant, int customer, int64_t effective_ns)
{
    struct customer_line line = { .tenant_id = numbered(tenant),
                                  .mapped = customer != 0,
                                  .customer_id = numbered(customer),
                                  .effective_ns = effective_ns };
    struct customer_apply apply;
    customer_apply_init(&apply, &line, 1);
    apply.base.registration = registration;
    apply.base.by = TEXT("carol");
    apply.base.request = TEXT("");
    apply.base.arena = f->arena;
    assert_ok(store_run(f->base.store, &apply.base.job));
    if (apply.base.refusal != ERROR_OK)
        fail_msg("%s", apply.base.info.message);
}

struct posts {
    struct usage_fixture *fixture;
    struct buffer body;
    int count, batches;
};

static void post(struct posts *posts, int subscription, const char *meter, int at, const char *quantity)
{
    struct usage_fixture *f = posts->fixture;
    char start[INSTANT_TEXT_SIZE], end[INSTANT_TEXT_SIZE], id[GUID_TEXT_SIZE];
    struct guid guid = numbered(subscription);
    instant_print(hour(at), start);
    instant_print(hour(at + 1), end);
    guid_print(&guid, id);
    struct post record = post_good();
    record.id = arena_format(f->arena, "\"%d-%d\"", posts->batches, posts->count).ptr;
    record.start = arena_format(f->arena, "\"%s\"", start).ptr;
    record.end = arena_format(f->arena, "\"%s\"", end).ptr;
    record.subscription_id = arena_format(f->arena, "\"%s\"", id).ptr;
    record.meter_id = arena_format(f->arena, "\"%s\"", meter).ptr;
    record.quantity = quantity;
    buffer_append_char(&posts->body, posts->count++ == 0 ? '[' : ',');
    post_write(&record, &posts->body);
}

static void send(struct posts *posts)
{
    buffer_append_char(&posts->body, ']');
    struct text body = usage_copy(posts->fixture, buffer_text(&posts->body));
    struct ingest_batch *batch = usage_ingest(posts->fixture, INGEST_JSON, body);
    assert_int_equal(ingest_counts(batch).accepted, posts->count);
    buffer_free(&posts->body);
    posts->body = (struct buffer){ 0 };
    posts->batches++;
    posts->count = 0;
}

/* --- the report --- */

static struct tenants_query window(int from, int to)
{
    return (struct tenants_query){ .from_ns = hour(from),
                                   .to_ns = hour(to),
                                   .now_ns = test_instant(FIXTURE_NOW),
                                   .with_usage = true,
                                   .with_mapping = true };
}

static err_t try_report(struct usage_fixture *f, const struct meters *meters, const struct tenants_query *query,
                        struct tenants *out, struct error_info *info)
{
    struct kv_txn *txn = store_fixture_read(&f->base);
    err_t error = tenants_run(f->base.store, txn, f->arena, meters, query, out, info);
    store_read_end(txn);
    return error;
}

static struct tenants report(struct usage_fixture *f, const struct tenants_query *query)
{
    struct tenants tenants;
    struct error_info info = { 0 };
    if (try_report(f, summary_meters(f), query, &tenants, &info) != ERROR_OK)
        fail_msg("tenants_run: %s", info.message);
    return tenants;
}

static const struct tenant_entry *entry_of(const struct tenants *tenants, int tenant)
{
    struct guid id = numbered(tenant);
    for (size_t i = 0; i < tenants->count; i++)
        if (guid_equal(&tenants->entries[i].tenant_id, &id))
            return &tenants->entries[i];
    fail_msg("no tenant %d", tenant);
    return NULL;
}

static void assert_payer(const struct tenant_payer *payer, enum payer_kind kind, int subscription, int from, int to,
                         const char *quantity)
{
    struct guid id = numbered(subscription);
    assert_int_equal(payer->payer.kind, kind);
    assert_true(guid_equal(&payer->payer.subscription_id, &id));
    assert_true(payer->from_ns == hour(from) && payer->to_ns == hour(to));
    if (quantity == NULL) {
        assert_int_equal(payer->quantity_count, 0);
        return;
    }
    assert_int_equal(payer->quantity_count, 1);
    assert_sum(&payer->quantities[0].quantity, quantity);
}

/* --- tests --- */

static void unmapped_tenants_come_first_then_those_with_most_usage(void **state)
{
    struct usage_fixture *f = *state;
    struct posts posts = { .fixture = f };
    make_stamp(f);
    uint64_t registration = register_as(f, "one", 201, BILLING_PAY_AS_YOU_USE, hour(0));
    for (int n = 1; n <= 4; n++)
        describe(f, n, 100 + n, INT64_MIN);
    map(f, registration, 101, 151, hour(0));
    map(f, registration, 102, 152, hour(0));
    for (int n = 0; n < 9; n++)
        post(&posts, n < 1 ? 1 : n < 4 ? 2 : n < 5 ? 3 : 4, CORES, n, "1");
    send(&posts);
    struct tenants_query query = window(0, HOURS);
    struct tenants tenants = report(f, &query);
    static const int expected[] = { 104, 103, 102, 101 };
    assert_int_equal(tenants.count, COUNT_OF(expected));
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        struct guid id = numbered(expected[i]);
        assert_true(guid_equal(&tenants.entries[i].tenant_id, &id));
        assert_int_equal(tenants.entries[i].mapped, expected[i] < 103);
    }
    assert_int_equal(tenants.totals[PAYER_DEFAULT].records, 5);
    assert_int_equal(tenants.totals[PAYER_DEFAULT].tenants, 2);
    assert_sum(&tenants.totals[PAYER_DEFAULT].quantities[0].quantity, "5");
    assert_int_equal(tenants.totals[PAYER_CUSTOMER].records, 4);
    assert_text(tenants.entries[0].display_name, "subscription 4");
    assert_int_equal(tenants.entries[0].subscription_count, 1);
}

static void a_payer_that_changes_splits_the_quantities_at_that_hour(void **state)
{
    struct usage_fixture *f = *state;
    struct posts posts = { .fixture = f };
    make_stamp(f);
    uint64_t registration = register_as(f, "one", 201, BILLING_PAY_AS_YOU_USE, hour(0));
    describe(f, 1, 101, INT64_MIN);
    map(f, registration, 101, 151, hour(10));
    map(f, registration, 101, 152, hour(30));
    map(f, registration, 101, 0, hour(50));
    for (int n = 0; n < HOURS; n++)
        post(&posts, 1, CORES, n, "1");
    send(&posts);
    struct tenants_query query = window(0, HOURS);
    struct tenants tenants = report(f, &query);
    const struct tenant_entry *entry = entry_of(&tenants, 101);
    assert_int_equal(entry->payer_count, 4);
    assert_payer(&entry->payers[0], PAYER_DEFAULT, 201, 0, 10, "10");
    assert_payer(&entry->payers[1], PAYER_CUSTOMER, 151, 10, 30, "20");
    assert_payer(&entry->payers[2], PAYER_CUSTOMER, 152, 30, 50, "20");
    assert_payer(&entry->payers[3], PAYER_DEFAULT, 201, 50, 60, "10");
    assert_false(entry->mapped);
    query = window(12, 40);
    tenants = report(f, &query);
    entry = entry_of(&tenants, 101);
    assert_true(entry->mapped); /* at the end of that window */
    assert_int_equal(entry->payer_count, 2);
    assert_payer(&entry->payers[0], PAYER_CUSTOMER, 151, 12, 30, "18");
    assert_payer(&entry->payers[1], PAYER_CUSTOMER, 152, 30, 40, "10");
}

static void a_subscription_that_moves_is_each_tenants_for_its_hours(void **state)
{
    struct usage_fixture *f = *state;
    struct posts posts = { .fixture = f };
    make_stamp(f);
    uint64_t registration = register_as(f, "one", 201, BILLING_PAY_AS_YOU_USE, hour(0));
    describe(f, 1, 101, INT64_MIN);
    describe(f, 1, 102, hour(24));
    map(f, registration, 102, 152, hour(0));
    for (int n = 20; n < 30; n++)
        post(&posts, 1, CORES, n, "0.1");
    send(&posts);
    struct tenants_query query = window(0, HOURS);
    struct tenants tenants = report(f, &query);
    assert_int_equal(tenants.count, 2);
    assert_payer(&entry_of(&tenants, 101)->payers[0], PAYER_DEFAULT, 201, 0, HOURS, "0.4");
    assert_payer(&entry_of(&tenants, 102)->payers[0], PAYER_CUSTOMER, 152, 0, HOURS, "0.6");
    assert_int_equal(entry_of(&tenants, 101)->subscription_count, 1);
    assert_int_equal(entry_of(&tenants, 102)->subscription_count, 1);
}

static void subscriptions_without_a_tenant_are_one_entry_that_the_default_pays_for(void **state)
{
    struct usage_fixture *f = *state;
    struct posts posts = { .fixture = f };
    make_stamp(f);
    register_as(f, "one", 201, BILLING_PAY_AS_YOU_USE, hour(0));
    describe(f, 3, 0, INT64_MIN);
    for (int n = 1; n <= 3; n++)
        post(&posts, n, CORES, n, "2");
    send(&posts);
    struct tenants_query query = window(0, HOURS);
    struct tenants tenants = report(f, &query);
    assert_int_equal(tenants.count, 1);
    assert_true(guid_is_zero(&tenants.entries[0].tenant_id));
    assert_int_equal(tenants.entries[0].subscription_count, 3);
    assert_payer(&tenants.entries[0].payers[0], PAYER_DEFAULT, 201, 0, HOURS, "6");
    assert_text(tenants.entries[0].display_name, "");
}

static void nobody_pays_before_the_registration_and_after_its_removal(void **state)
{
    struct usage_fixture *f = *state;
    struct posts posts = { .fixture = f };
    make_stamp(f);
    register_as(f, "one", 201, BILLING_PAY_AS_YOU_USE, hour(20));
    describe(f, 1, 101, INT64_MIN);
    for (int n = 0; n < HOURS; n++)
        post(&posts, 1, CORES, n, "1");
    send(&posts);
    unregister(f, "one", 201); /* in the hour after the window */
    struct tenants_query query = window(0, HOURS + 2);
    query.to_ns = hour(HOURS + 2);
    struct tenants tenants = report(f, &query);
    const struct tenant_entry *entry = entry_of(&tenants, 101);
    assert_int_equal(entry->payer_count, 3);
    assert_payer(&entry->payers[0], PAYER_NONE, 0, 0, 20, "20");
    assert_payer(&entry->payers[1], PAYER_DEFAULT, 201, 20, HOURS, "40");
    assert_payer(&entry->payers[2], PAYER_NONE, 0, HOURS, HOURS + 2, NULL);
    assert_int_equal(tenants.totals[PAYER_NONE].records, 20);
}

static void a_mapped_tenant_without_subscriptions_is_listed(void **state)
{
    struct usage_fixture *f = *state;
    make_stamp(f);
    uint64_t registration = register_as(f, "one", 201, BILLING_PAY_AS_YOU_USE, hour(0));
    map(f, registration, 101, 151, hour(10));
    struct tenants_query query = window(0, HOURS);
    struct tenants tenants = report(f, &query);
    assert_int_equal(tenants.count, 1);
    assert_true(tenants.entries[0].mapped);
    assert_int_equal(tenants.entries[0].subscription_count, 0);
    assert_int_equal(tenants.entries[0].payer_count, 2);
}

static void a_stamp_without_the_commercial_side_does_not_know_who_pays(void **state)
{
    struct usage_fixture *f = *state;
    struct posts posts = { .fixture = f };
    make_stamp(f);
    describe(f, 1, 101, INT64_MIN);
    post(&posts, 1, CORES, 0, "7");
    send(&posts);
    struct tenants_query query = window(0, HOURS);
    query.with_mapping = false;
    struct tenants tenants = report(f, &query);
    assert_int_equal(tenants.count, 1);
    assert_payer(&tenants.entries[0].payers[0], PAYER_NONE, 0, 0, HOURS, "7");
    assert_false(tenants.entries[0].mapped);
}

static void the_commercial_side_alone_lists_mappings_of_every_stamp(void **state)
{
    struct usage_fixture *f = *state;
    uint64_t registration = register_as(f, "one", 201, BILLING_PAY_AS_YOU_USE, hour(0));
    map(f, registration, 101, 151, hour(10));
    map(f, registration, 102, 152, hour(20));
    map(f, registration, 102, 0, hour(30));
    struct tenants_query query = window(25, HOURS);
    query.with_usage = false;
    struct tenants tenants = report(f, &query);
    assert_int_equal(tenants.count, 2);
    assert_false(entry_of(&tenants, 102)->mapped);
    assert_payer(&entry_of(&tenants, 102)->payers[0], PAYER_CUSTOMER, 152, 25, 30, NULL);
    assert_payer(&entry_of(&tenants, 101)->payers[0], PAYER_CUSTOMER, 151, 25, HOURS, NULL);
    query.has_cloud_id = true;
    query.cloud_id = numbered(99);
    assert_int_equal(report(f, &query).count, 0);
}

static void a_window_with_too_many_changes_asks_for_less_time(void **state)
{
    struct usage_fixture *f = *state;
    const int changes = TENANTS_CUTS_MAX + 1;
    make_stamp(f);
    uint64_t registration = register_as(f, "one", 201, BILLING_PAY_AS_YOU_USE, hour(-2000));
    describe(f, 1, 101, INT64_MIN);
    struct customer_line *lines = arena_array(f->arena, (size_t)changes, sizeof *lines);
    assert_non_null(lines);
    for (int n = 0; n < changes; n++)
        lines[n] = (struct customer_line){ .tenant_id = numbered(101),
                                           .mapped = true,
                                           .customer_id = numbered(151 + n % 2),
                                           .effective_ns = hour(n - 1990) };
    struct customer_apply apply;
    customer_apply_init(&apply, lines, (size_t)changes);
    apply.base.registration = registration;
    apply.base.by = TEXT("carol");
    apply.base.request = TEXT("");
    apply.base.arena = f->arena;
    assert_ok(store_run(f->base.store, &apply.base.job));
    assert_int_equal(apply.changed_count, changes);
    struct tenants_query query = window(-2000, HOURS);
    struct tenants tenants;
    struct error_info info = { 0 };
    assert_error(try_report(f, summary_meters(f), &query, &tenants, &info), ERROR_INVALID_PROPERTY);
    assert_string_equal(info.target, "from");
    query = window(-1500, HOURS);
    assert_int_equal(report(f, &query).count, 1);
}

/* Every request for memory fails once: the answer is an error, and the sanitizers find nothing left behind. */
static void short_memory_is_an_error_and_leaks_nothing(void **state)
{
    struct usage_fixture *f = *state;
    struct posts posts = { .fixture = f };
    struct tenants_query query = window(0, HOURS);
    const struct meters *meters = summary_meters(f);
    make_stamp(f);
    uint64_t registration = register_as(f, "one", 201, BILLING_PAY_AS_YOU_USE, hour(0));
    describe(f, 1, 101, INT64_MIN);
    map(f, registration, 101, 151, hour(10));
    for (int n = 0; n < HOURS; n++)
        post(&posts, 1 + n % 2, CORES, n, "1");
    send(&posts);
    bool failed = true;
    for (unsigned long n = 1; failed; n++) {
        struct tenants tenants;
        struct error_info info = { 0 };
        struct arena *arena = arena_new(256, 0);
        struct kv_txn *txn = store_fixture_read(&f->base);
        (void)memory_fail_from(n);
        err_t error = tenants_run(f->base.store, txn, arena, meters, &query, &tenants, &info);
        failed = memory_fail_from(0);
        assert_error(error, failed ? ERROR_NO_MEMORY : ERROR_OK);
        assert_true(failed || n > 10);
        store_read_end(txn);
        arena_free(arena);
    }
}

/* --- against a naive model: hour by hour, with the resolver asked for each --- */

#define MODEL_SUBSCRIPTIONS 6
#define MODEL_TENANTS 4

struct model_sum {
    struct guid tenant_id;
    struct payer payer;
    struct text meter_id;
    struct decimal_sum quantity;
    uint64_t records;
};
struct model {
    struct model_sum sums[4096];
    size_t count;
};

static bool same_key(const struct model_sum *a, const struct model_sum *b)
{
    return guid_equal(&a->tenant_id, &b->tenant_id) && a->payer.kind == b->payer.kind &&
           guid_equal(&a->payer.subscription_id, &b->payer.subscription_id) && text_equal(a->meter_id, b->meter_id);
}

static void model_add(struct model *model, const struct model_sum *sum)
{
    size_t i = 0;
    while (i < model->count && !same_key(&model->sums[i], sum))
        i++;
    assert_true(i < COUNT_OF(model->sums));
    if (i == model->count)
        model->sums[model->count++] = *sum;
    else {
        decimal_sum_add_sum(&model->sums[i].quantity, &sum->quantity);
        model->sums[i].records += sum->records;
    }
}

static void model_of_hours(struct usage_fixture *f, const struct meters *meters, const struct tenants_query *query,
                           struct model *model)
{
    const struct summary_query hourly = { .from_ns = query->from_ns,
                                          .to_ns = query->to_ns,
                                          .granularity = SUMMARY_HOURLY,
                                          .by_subscription = true,
                                          .by_meter = true };
    struct summary_rows rows = summary_read(f, meters, &hourly);
    struct kv_txn *txn = store_fixture_read(&f->base);
    struct guid cloud = numbered(221);
    model->count = 0;
    for (size_t i = 0; i < rows.count; i++) {
        const struct summary_row *row = &rows.rows[i];
        struct subscription subscription;
        err_t error = subscription_at(txn, f->arena, &row->subscription, row->start_ns, INT64_MAX, &subscription);
        assert_true(error == ERROR_OK || error == ERROR_NOT_FOUND);
        struct model_sum sum = { .tenant_id = subscription.tenant_id,
                                 .meter_id = row->meter_id,
                                 .quantity = row->quantity,
                                 .records = row->records };
        assert_ok(payer_resolve(txn, f->arena, &cloud, &sum.tenant_id, row->start_ns, INT64_MAX, &sum.payer));
        model_add(model, &sum);
    }
    store_read_end(txn);
}

static void model_of_report(const struct tenants *tenants, struct model *model)
{
    model->count = 0;
    for (size_t i = 0; i < tenants->count; i++) {
        const struct tenant_entry *entry = &tenants->entries[i];
        for (size_t p = 0; p < entry->payer_count; p++) {
            if (p > 0)
                assert_true(entry->payers[p].from_ns == entry->payers[p - 1].to_ns);
            for (size_t q = 0; q < entry->payers[p].quantity_count; q++) {
                const struct tenant_quantity *quantity = &entry->payers[p].quantities[q];
                const struct model_sum sum = { .tenant_id = entry->tenant_id,
                                               .payer = entry->payers[p].payer,
                                               .meter_id = quantity->meter_id,
                                               .quantity = quantity->quantity,
                                               .records = quantity->records };
                model_add(model, &sum);
            }
        }
    }
}

static void assert_same_model(const struct model *expected, const struct model *found)
{
    assert_int_equal(expected->count, found->count);
    for (size_t i = 0; i < expected->count; i++) {
        size_t at = 0;
        while (at < found->count && !same_key(&expected->sums[i], &found->sums[at]))
            at++;
        assert_true(at < found->count);
        assert_int_equal(decimal_sum_compare(&expected->sums[i].quantity, &found->sums[at].quantity), 0);
        assert_int_equal(expected->sums[i].records, found->sums[at].records);
    }
}

/* All tenants and payers together, and the totals, are the summary by meter. */
static void assert_adds_up(struct usage_fixture *f, const struct meters *meters, const struct tenants_query *query,
                           const struct tenants *tenants)
{
    const struct summary_query by_meter = { .from_ns = query->from_ns, .to_ns = query->to_ns, .by_meter = true };
    struct summary_rows rows = summary_read(f, meters, &by_meter);
    for (size_t r = 0; r < rows.count; r++) {
        struct decimal_sum all = { { 0 } }, totals = { { 0 } };
        for (size_t i = 0; i < tenants->count; i++)
            for (size_t p = 0; p < tenants->entries[i].payer_count; p++)
                for (size_t q = 0; q < tenants->entries[i].payers[p].quantity_count; q++)
                    if (text_equal(tenants->entries[i].payers[p].quantities[q].meter_id, rows.rows[r].meter_id))
                        decimal_sum_add_sum(&all, &tenants->entries[i].payers[p].quantities[q].quantity);
        for (int kind = 0; kind <= PAYER_CUSTOMER; kind++)
            for (size_t q = 0; q < tenants->totals[kind].quantity_count; q++)
                if (text_equal(tenants->totals[kind].quantities[q].meter_id, rows.rows[r].meter_id))
                    decimal_sum_add_sum(&totals, &tenants->totals[kind].quantities[q].quantity);
        assert_int_equal(decimal_sum_compare(&all, &rows.rows[r].quantity), 0);
        assert_int_equal(decimal_sum_compare(&totals, &rows.rows[r].quantity), 0);
    }
}

static int random_hour(struct prng *prng)
{
    return (int)prng_below(prng, HOURS);
}

static void make_random_world(struct usage_fixture *f, struct prng *prng)
{
    static const char *const meters[] = { CORES, CAPACITY, "nobody-knows-it" };
    struct posts posts = { .fixture = f };
    make_stamp(f);
    uint64_t registration = register_as(f, "one", 201, BILLING_PAY_AS_YOU_USE, hour(random_hour(prng) / 4));
    for (int n = 1; n < MODEL_SUBSCRIPTIONS; n++) /* the last is never described */
        describe(f, n, 101 + (int)prng_below(prng, MODEL_TENANTS), INT64_MIN);
    for (int n = 0; n < 8; n++)
        describe(f, 1 + (int)prng_below(prng, MODEL_SUBSCRIPTIONS - 1), 101 + (int)prng_below(prng, MODEL_TENANTS),
                 hour(random_hour(prng)));
    for (int n = 0; n < 12; n++)
        map(f, registration, 101 + (int)prng_below(prng, MODEL_TENANTS), (int)prng_below(prng, 4) * 10 + 0,
            hour(random_hour(prng)));
    if (prng_below(prng, 2) == 0)
        register_as(f, "one", 201, BILLING_CAPACITY, hour(random_hour(prng)));
    for (int n = 0; n < 400; n++)
        post(&posts, 1 + (int)prng_below(prng, MODEL_SUBSCRIPTIONS), meters[prng_below(prng, COUNT_OF(meters))],
             random_hour(prng),
             arena_format(f->arena, "%u.%09u", (unsigned)prng_below(prng, 1000), (unsigned)prng_below(prng, 1000000000))
                 .ptr);
    send(&posts);
}

static void the_report_is_what_the_resolver_says_hour_by_hour(void **state)
{
    struct usage_fixture *f = *state;
    struct prng prng = test_prng("test_tenants");
    struct model *expected = calloc(2, sizeof *expected), *found = expected + 1;
    assert_non_null(expected);
    for (int round = 0; round < (test_is_long() ? 40 : 6); round++) {
        usage_tear_down(state);
        usage_set_up(state);
        f = *state;
        const struct meters *meters = summary_meters(f);
        make_random_world(f, &prng);
        for (int n = 0; n < 8; n++) {
            int from = n == 0 ? 0 : random_hour(&prng), to = n == 0 ? HOURS : from + 1 + random_hour(&prng);
            struct tenants_query query = window(from, to);
            struct tenants tenants = report(f, &query);
            model_of_hours(f, meters, &query, expected);
            model_of_report(&tenants, found);
            assert_same_model(expected, found);
            assert_adds_up(f, meters, &query, &tenants);
        }
    }
    free(expected);
}

TESTS(WITH_USAGE(unmapped_tenants_come_first_then_those_with_most_usage),
      WITH_USAGE(a_payer_that_changes_splits_the_quantities_at_that_hour),
      WITH_USAGE(a_subscription_that_moves_is_each_tenants_for_its_hours),
      WITH_USAGE(subscriptions_without_a_tenant_are_one_entry_that_the_default_pays_for),
      WITH_USAGE(nobody_pays_before_the_registration_and_after_its_removal),
      WITH_USAGE(a_mapped_tenant_without_subscriptions_is_listed),
      WITH_USAGE(a_stamp_without_the_commercial_side_does_not_know_who_pays),
      WITH_USAGE(the_commercial_side_alone_lists_mappings_of_every_stamp),
      WITH_USAGE(a_window_with_too_many_changes_asks_for_less_time),
      WITH_USAGE(short_memory_is_an_error_and_leaks_nothing),
      WITH_USAGE(the_report_is_what_the_resolver_says_hour_by_hour))
