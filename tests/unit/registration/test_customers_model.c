/* Any sequence of mappings, removals, batches, scheduled and back-dated, asked at any time and as known at any time,
 * against a model that knows nothing of changes: a table of hours. */
#include "customer_fixture.h"

#define TENANTS 5
#define CUSTOMERS 6
#define HOURS 24
#define STEPS 60
#define LINES_MAX 6
#define FIRST_HOUR (-12)

/* Whose the tenants are, hour by hour; 0: the default's. */
struct table {
    uint8_t cell[TENANTS][HOURS];
};

struct model {
    struct table known[STEPS + 1]; /* after each step */
    int64_t recorded_ns[STEPS + 1];
    size_t steps;
};

/* What holds already at its hour is no change, and what is scheduled later stays. */
static void model_line(struct table *table, uint64_t tenant, uint64_t customer, int from)
{
    if (table->cell[tenant][from] == customer)
        return;
    for (int h = from; h < HOURS; h++) {
        for (int t = 0; t < TENANTS && customer != 0; t++)
            if (table->cell[t][h] == customer)
                table->cell[t][h] = 0;
        table->cell[tenant][h] = (uint8_t)customer;
    }
}

static void model_delete(struct table *table, uint64_t customer, int from)
{
    for (int h = from; h < HOURS; h++)
        for (int t = 0; t < TENANTS; t++)
            if (table->cell[t][h] == customer)
                table->cell[t][h] = 0;
}

/* Lines of one hour that say different things of a tenant or a subscription don't come (customers_file_read). */
static bool contradicts(const struct customer_line *a, const struct customer_line *b)
{
    if (a->effective_ns != b->effective_ns)
        return false;
    bool same_tenant = guid_equal(&a->tenant_id, &b->tenant_id);
    bool same_customer = a->mapped == b->mapped && guid_equal(&a->customer_id, &b->customer_id);
    return same_tenant ? !same_customer : a->mapped && same_customer;
}

static struct customer_line random_line(struct prng *prng, const struct customer_line *lines, size_t count)
{
    for (;;) {
        struct customer_line line = line_of(prng_below(prng, TENANTS), prng_below(prng, CUSTOMERS + 1),
                                            hour(FIRST_HOUR + (int64_t)prng_below(prng, HOURS)));
        size_t i = 0;
        while (i < count && !contradicts(&line, &lines[i]))
            i++;
        if (i == count)
            return line;
    }
}

static void random_batch(struct customer_fixture *f, struct prng *prng, struct table *table)
{
    struct customer_line lines[LINES_MAX];
    struct customer_apply apply;
    const struct table before = *table;
    size_t count = 1 + prng_below(prng, LINES_MAX);
    for (size_t i = 0; i < count; i++)
        lines[i] = random_line(prng, lines, i);
    for (int h = 0; h < HOURS; h++)
        for (size_t i = 0; i < count; i++)
            if (lines[i].effective_ns == hour(FIRST_HOUR + h))
                model_line(table, lines[i].tenant_id.bytes[15],
                           lines[i].mapped ? customer_number(&lines[i].customer_id) : 0, h);
    apply_lines(f, &apply, lines, count);
    bool same = memcmp(&before, table, sizeof before) == 0;
    assert_int_equal(apply.base.effect_count == 0, same);
    apply_lines(f, &apply, lines, count);
    assert_int_equal(apply.base.effect_count, 0);
}

static void random_step(struct customer_fixture *f, struct prng *prng, struct table *table)
{
    uint64_t tenant = prng_below(prng, TENANTS), customer = 1 + prng_below(prng, CUSTOMERS);
    int from = (int)prng_below(prng, HOURS);
    switch (prng_below(prng, 4)) {
    case 0:
        random_batch(f, prng, table);
        break;
    case 1:
        delete_customer(f, customer, hour(FIRST_HOUR + from));
        model_delete(table, customer, from);
        break;
    case 2:
        map_tenant(f, tenant, 0, hour(FIRST_HOUR + from));
        model_line(table, tenant, 0, from);
        break;
    default:
        map_tenant(f, tenant, customer, hour(FIRST_HOUR + from));
        model_line(table, tenant, customer, from);
    }
}

static void check_list(struct customer_fixture *f, const struct table *table, int h, int64_t known_ns)
{
    struct customer *customers;
    size_t count, expected = 0;
    bool more;
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_ok(customer_list(txn, f->arena, f->registration, hour(FIRST_HOUR + h), known_ns, NULL, CUSTOMERS_PAGE_MAX,
                            &customers, &count, &more));
    for (size_t i = 0; i < count; i++) {
        struct customer customer;
        assert_int_equal(table->cell[customers[i].tenant_id.bytes[15]][h], customer_number(&customers[i].customer_id));
        assert_ok(customer_get(txn, f->arena, f->registration, &customers[i].customer_id, hour(FIRST_HOUR + h),
                               known_ns, &customer));
        assert_memory_equal(&customer.tenant_id, &customers[i].tenant_id, sizeof(struct guid));
    }
    store_read_end(txn);
    for (int t = 0; t < TENANTS; t++)
        expected += table->cell[t][h] != 0 ? 1 : 0;
    assert_int_equal(count, expected);
}

static void check_all(struct customer_fixture *f, const struct model *model)
{
    for (size_t step = 0; step <= model->steps; step++) {
        /* The newest is asked both ways: as known then, and now. */
        int64_t known_ns = model->recorded_ns[step];
        for (int h = 0; h < HOURS; h++) {
            for (uint64_t t = 0; t < TENANTS; t++) {
                uint64_t expected = model->known[step].cell[t][h];
                assert_int_equal(mapped_to(f, t, hour(FIRST_HOUR + h), known_ns), expected);
                if (step == model->steps)
                    assert_int_equal(mapped_to(f, t, hour(FIRST_HOUR + h), INT64_MAX), expected);
            }
            if (h % 4 == 0)
                check_list(f, &model->known[step], h, known_ns);
        }
        arena_reset(f->arena);
    }
}

static void mappings_follow_the_model(void **state)
{
    struct customer_fixture *f = *state;
    struct prng prng = test_prng("test_customers_model");
    static struct model model;
    memset(&model, 0, sizeof model);
    model.recorded_ns[0] = test_instant(FIXTURE_NOW);
    for (size_t step = 1; step <= STEPS; step++) {
        clock_manual_advance(&f->base.clock, NS_PER_MINUTE);
        model.known[step] = model.known[step - 1];
        random_step(f, &prng, &model.known[step]);
        model.recorded_ns[step] = store_now_ns(f->base.store);
        model.steps = step;
        arena_reset(f->arena);
    }
    check_all(f, &model);
    store_fixture_reopen(&f->base);
    check_all(f, &model);
}

TESTS(CUSTOMER_TEST(mappings_follow_the_model))
