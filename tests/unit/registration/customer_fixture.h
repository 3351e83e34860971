/* A store with registered stamps, and customers by small numbers: what the tests of customers and payers share. */
#pragma once

#include "support/store_fixture.h"

#include "base/arena.h"
#include "registration/customers.h"

#define STAMP 1 /* the cloud id of the first stamp; tenants and customers are numbered as they like */

struct customer_fixture {
    struct store_fixture base;
    struct arena *arena;
    uint64_t registration; /* of "stamp1" */
};

/* Ids that differ in kind and number, and sort by number. */
static inline struct guid tenant_id(uint64_t number)
{
    return (struct guid){ { 0xAA, [14] = (uint8_t)(number >> 8), [15] = (uint8_t)number } };
}

static inline struct guid customer_id(uint64_t number)
{
    return (struct guid){ { 0xCC, [14] = (uint8_t)(number >> 8), [15] = (uint8_t)number } };
}

static inline struct guid cloud_id(uint8_t number)
{
    return (struct guid){ { 0x0C, [15] = number } };
}

static inline uint64_t customer_number(const struct guid *id)
{
    assert_int_equal(id->bytes[0], 0xCC);
    return (uint64_t)id->bytes[14] << 8 | id->bytes[15];
}

static inline struct registration_path stamp_path(uint8_t subscription, const char *name)
{
    return (struct registration_path){ { { 0x5B, [15] = subscription } }, TEXT("azurestack"), text_of(name) };
}

/* Registers the stamp, or renews it, with that model; its number. */
static inline uint64_t register_stamp(struct customer_fixture *f, uint8_t subscription, const char *name, uint8_t cloud,
                                      enum billing_model model)
{
    const struct registration_token token = { .model = model,
                                              .cloud_id = cloud_id(cloud),
                                              .agreement_number = TEXT("123"),
                                              .ms_asset_tag = TEXT("tag"),
                                              .stamp_version = TEXT("1.0"),
                                              .issuer = TEXT("test"),
                                              .version = TEXT("1.0") };
    struct registration_put put = { .path = stamp_path(subscription, name),
                                    .token = &token,
                                    .tags = TEXT_NONE,
                                    .by = TEXT("anna"),
                                    .capacity_ns = 365 * NS_PER_DAY,
                                    .arena = f->arena };
    registration_put_init(&put);
    assert_ok(store_run(f->base.store, &put.job));
    if (put.refusal != ERROR_OK)
        fail_msg("%s", put.info.message);
    return put.result.number;
}

static inline void unregister_stamp(struct customer_fixture *f, uint8_t subscription, const char *name)
{
    struct registration_delete delete_job = { .path = stamp_path(subscription, name),
                                              .by = TEXT("anna"),
                                              .arena = f->arena };
    registration_delete_init(&delete_job);
    assert_ok(store_run(f->base.store, &delete_job.job));
    assert_false(delete_job.missing);
}

static inline int customer_set_up(void **state)
{
    struct customer_fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    store_fixture_make(&f->base);
    f->arena = arena_new(4096, 0);
    f->registration = register_stamp(f, 1, "stamp1", STAMP, BILLING_PAY_AS_YOU_USE);
    *state = f;
    return 0;
}

static inline int customer_tear_down(void **state)
{
    struct customer_fixture *f = *state;
    store_fixture_free(&f->base);
    arena_free(f->arena);
    free(f);
    return 0;
}

#define CUSTOMER_TEST(function) cmocka_unit_test_setup_teardown(function, customer_set_up, customer_tear_down)

/* Hours around FIXTURE_NOW, which lies in hour 0. */
static inline int64_t hour(int64_t number)
{
    return hour_start_ns(instant_hour(test_instant(FIXTURE_NOW)) + number);
}

static inline struct customer_line line_of(uint64_t tenant, uint64_t customer, int64_t effective_ns)
{
    struct customer_line line = { .tenant_id = tenant_id(tenant), .effective_ns = effective_ns };
    line.mapped = customer != 0;
    if (line.mapped)
        line.customer_id = customer_id(customer);
    return line;
}

static inline void apply_lines(struct customer_fixture *f, struct customer_apply *apply, struct customer_line *lines,
                               size_t count)
{
    customer_apply_init(apply, lines, count);
    apply->base.registration = f->registration;
    apply->base.by = TEXT("bert");
    apply->base.request = TEXT("request 1");
    apply->base.arena = f->arena;
    assert_ok(store_run(f->base.store, &apply->base.job));
}

/* Customer 0: the default pays from then on. Whether it changed anything. */
static inline bool map_tenant(struct customer_fixture *f, uint64_t tenant, uint64_t customer, int64_t effective_ns)
{
    struct customer_line line = line_of(tenant, customer, effective_ns);
    struct customer_apply apply;
    apply_lines(f, &apply, &line, 1);
    assert_int_equal(apply.base.refusal, ERROR_OK);
    assert_int_equal(apply.changed_count, line.changed);
    return line.changed;
}

static inline bool delete_customer(struct customer_fixture *f, uint64_t customer, int64_t effective_ns)
{
    struct customer_delete delete_job;
    struct guid id = customer_id(customer);
    customer_delete_init(&delete_job, &id);
    delete_job.base.registration = f->registration;
    delete_job.base.by = TEXT("bert");
    delete_job.base.request = TEXT("request 2");
    delete_job.base.arena = f->arena;
    delete_job.effective_ns = effective_ns;
    assert_ok(store_run(f->base.store, &delete_job.base.job));
    assert_int_equal(delete_job.base.refusal, ERROR_OK);
    return !delete_job.missing;
}

/* Whose mapping the tenant has at that hour as known then; 0: none. */
static inline uint64_t mapped_to(struct customer_fixture *f, uint64_t tenant, int64_t time_ns, int64_t known_ns)
{
    struct guid id = tenant_id(tenant);
    struct customer customer;
    struct kv_txn *txn = store_fixture_read(&f->base);
    err_t error = customer_of_tenant(txn, f->arena, f->registration, &id, time_ns, known_ns, &customer);
    store_read_end(txn);
    assert_true(error == ERROR_OK || error == ERROR_NOT_FOUND);
    return error == ERROR_OK ? customer_number(&customer.customer_id) : 0;
}
