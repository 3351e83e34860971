/* Registrations among many: lists and pages in order, one by its name alone, how many are in which state. */
#include "registration/registration_fixture.h"

static void lists_are_in_order_and_by_pages(void **state)
{
    struct fixture *f = *state;
    static const struct {
        uint8_t subscription;
        const char *group, *name;
    } in_order[] = { { 1, "a", "z" },  { 1, "aa", "b" }, { 1, "B", "a" },  { 1, "b", "b1" },
                     { 1, "b", "B2" }, { 2, "a", "a" },  { 255, "x", "y" } };
    size_t count, place = 0;
    bool more = true;
    struct registration *found;
    struct guid one = numbered(1), three = numbered(3);
    for (size_t i = COUNT_OF(in_order); i-- > 0;)
        put_well(f, path_of(in_order[i].subscription, in_order[i].group, in_order[i].name), (uint8_t)(i + 1),
                 BILLING_PAY_AS_YOU_USE);
    struct kv_txn *txn = store_fixture_read(&f->base);
    struct registration_path last = { .name = TEXT_NONE };
    while (more) {
        assert_ok(
            registration_page(txn, f->arena, NULL, TEXT_NONE, place == 0 ? NULL : &last, 2, &found, &count, &more));
        assert_true(count == 2 || !more);
        for (size_t i = 0; i < count; i++, place++) {
            assert_guid(&found[i].path.subscription_id, in_order[place].subscription);
            assert_text(found[i].path.name, in_order[place].name);
        }
        last = found[count - 1].path;
    }
    assert_int_equal(place, COUNT_OF(in_order));
    assert_ok(registration_list(txn, f->arena, &one, TEXT_NONE, &found, &count));
    assert_int_equal(count, 5);
    assert_ok(registration_list(txn, f->arena, &one, TEXT("b"), &found, &count));
    assert_int_equal(count, 3);
    assert_ok(registration_list(txn, f->arena, &one, TEXT("A"), &found, &count));
    assert_int_equal(count, 1);
    assert_ok(registration_list(txn, f->arena, &one, TEXT("no/group"), &found, &count));
    assert_int_equal(count, 0);
    assert_ok(registration_list(txn, f->arena, &three, TEXT_NONE, &found, &count));
    assert_int_equal(count, 0);
    /* A position of another subscription does not lead there. */
    struct registration_path elsewhere = path_of(2, "a", "a"), before = path_of(0, "a", "a");
    assert_ok(registration_page(txn, f->arena, &one, TEXT_NONE, &elsewhere, 9, &found, &count, &more));
    assert_int_equal(count, 0);
    assert_ok(registration_page(txn, f->arena, &one, TEXT_NONE, &before, 9, &found, &count, &more));
    assert_int_equal(count, 5);
    struct guid *ids;
    assert_ok(registration_subscriptions(txn, f->arena, &ids, &count));
    assert_int_equal(count, 3);
    assert_guid(&ids[0], 1);
    assert_guid(&ids[1], 2);
    assert_guid(&ids[2], 255);
    store_read_end(txn);
}

static err_t find_by_name(struct fixture *f, uint8_t subscription, const char *group, const char *name, uint8_t *cloud,
                          struct error_info *info)
{
    struct guid id = numbered(subscription);
    struct registration found;
    struct kv_txn *txn = store_fixture_read(&f->base);
    *info = (struct error_info){ 0 };
    err_t error = registration_find_by_name(txn, f->arena, subscription == 0 ? NULL : &id, text_of(group),
                                            text_of(name), &found, info);
    store_read_end(txn);
    if (error == ERROR_OK)
        *cloud = found.cloud_id.bytes[15];
    return error;
}

static void a_name_alone_finds_where_it_is_the_only_one(void **state)
{
    struct fixture *f = *state;
    struct error_info info;
    uint8_t cloud;
    assert_error(find_by_name(f, 0, "", "same", &cloud, &info), ERROR_REGISTRATION_NOT_FOUND);
    put_well(f, path_of(1, "g", "only"), 1, BILLING_PAY_AS_YOU_USE);
    put_well(f, path_of(1, "g", "same"), 2, BILLING_PAY_AS_YOU_USE);
    put_well(f, path_of(1, "h", "SAME"), 3, BILLING_PAY_AS_YOU_USE);
    put_well(f, path_of(2, "H", "same"), 4, BILLING_PAY_AS_YOU_USE);
    assert_ok(find_by_name(f, 0, "", "Only", &cloud, &info));
    assert_int_equal(cloud, 1);
    assert_error(find_by_name(f, 0, "", "onl", &cloud, &info), ERROR_REGISTRATION_NOT_FOUND);
    assert_error(find_by_name(f, 2, "", "only", &cloud, &info), ERROR_REGISTRATION_NOT_FOUND);
    assert_non_null(strstr(info.message, "of that subscription"));
    assert_error(find_by_name(f, 0, "", "same", &cloud, &info), ERROR_CONFLICT);
    assert_string_equal(info.target, "subscriptionId");
    assert_non_null(strstr(info.message, "?subscriptionId="));
    assert_error(find_by_name(f, 1, "", "same", &cloud, &info), ERROR_CONFLICT);
    assert_string_equal(info.target, "resourceGroup");
    assert_error(find_by_name(f, 0, "H", "same", &cloud, &info), ERROR_CONFLICT);
    assert_ok(find_by_name(f, 1, "H", "same", &cloud, &info));
    assert_int_equal(cloud, 3);
    assert_ok(find_by_name(f, 0, "G", "same", &cloud, &info));
    assert_int_equal(cloud, 2);
    assert_ok(find_by_name(f, 2, "", "same", &cloud, &info));
    assert_int_equal(cloud, 4);
}

/* Of many registrations only the one is read: the arena grows by no more than that. */
static void a_name_is_found_without_reading_the_others(void **state)
{
    struct fixture *f = *state;
    struct error_info info;
    uint8_t cloud;
    for (uint8_t i = 1; i <= 200; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "stamp%d", i);
        put_well(f, path_of(1, "g", name), i, BILLING_PAY_AS_YOU_USE);
        arena_reset(f->arena);
    }
    size_t before = arena_size_bytes(f->arena);
    assert_ok(find_by_name(f, 0, "", "stamp200", &cloud, &info));
    assert_int_equal(cloud, 200);
    assert_true(arena_size_bytes(f->arena) - before < 16384);
}

static void they_are_counted_by_state(void **state)
{
    struct fixture *f = *state;
    struct registration_counts counts;
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_ok(registration_count(txn, f->arena, test_instant(FIXTURE_NOW), &counts));
    store_read_end(txn);
    assert_true(counts.active == 0 && counts.expired == 0 && counts.next_expiry_ns == INT64_MAX);
    struct registration first = put_well(f, path_of(1, "g", "a"), 1, BILLING_CAPACITY);
    advance(f, NS_PER_DAY);
    struct registration second = put_well(f, path_of(1, "g", "b"), 2, BILLING_CAPACITY);
    put_well(f, path_of(1, "g", "c"), 3, BILLING_PAY_AS_YOU_USE);
    txn = store_fixture_read(&f->base);
    assert_ok(registration_count(txn, f->arena, first.expires_ns - 1, &counts));
    assert_true(counts.active == 3 && counts.expired == 0 && counts.next_expiry_ns == first.expires_ns);
    assert_ok(registration_count(txn, f->arena, first.expires_ns, &counts));
    assert_true(counts.active == 2 && counts.expired == 1 && counts.next_expiry_ns == second.expires_ns);
    store_read_end(txn);
}

TESTS(WITH_STORE(lists_are_in_order_and_by_pages), WITH_STORE(a_name_alone_finds_where_it_is_the_only_one),
      WITH_STORE(a_name_is_found_without_reading_the_others), WITH_STORE(they_are_counted_by_state))
