/* What cannot be right is accepted and found; what may be right is never found. */
#include "store/write.h"
#include "support/summary_fixture.h"
#include "usage/sanity.h"
#include "usage/subscriptions.h"

#define VM_HOURS "\"6DAB500F-A4FD-49C4-956D-229BB9C8C793\""
#define CORE_HOURS "\"FAB6EB84-500B-4A09-A8CA-7358F8BBAEA5\""
#define DISK_MONTHS "\"380874f9-300c-48e0-95a0-d2d9a21ade8f\""
#define DISK "\"/subscriptions/x/resourceGroups/rg/providers/Microsoft.Compute/disks/d1\""

struct sanity_fixture {
    struct usage_fixture f; /* first member */
    struct meters *meters;
    struct sanity *sanity;
    struct finding findings[64];
    size_t count;
};

static int set_up(void **state)
{
    struct sanity_fixture *s = calloc(1, sizeof *s);
    assert_non_null(s);
    usage_fixture_make(&s->f);
    s->meters = summary_meters(&s->f);
    s->sanity = sanity_new(s->meters);
    assert_non_null(s->sanity);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct sanity_fixture *s = *state;
    usage_fixture_free(&s->f);
    sanity_free(s->sanity);
    free(s);
    return 0;
}

static err_t post_with(struct sanity_fixture *s, const struct post *post)
{
    struct record_limits limits = usage_limits(&s->f);
    struct ingest_batch *batch = usage_batch(&s->f, &limits);
    struct error_info info = { 0 };
    batch->sanity = s->sanity;
    assert_ok(ingest_parse(batch, INGEST_JSON, usage_post_text(&s->f, post), &info));
    err_t error = ingest_submit(batch, s->f.base.store, NULL);
    if (error == ERROR_OK)
        assert_verdict(&batch->results[0], VERDICT_ACCEPTED); /* always: money must not be lost */
    return error;
}

static void accept(struct sanity_fixture *s, const char *id, const char *meter, const char *quantity,
                   const char *resource, const char *info)
{
    struct post post = post_good();
    post.id = id;
    post.meter_id = meter;
    post.quantity = quantity;
    post.resource_uri = resource != NULL ? resource : post.resource_uri;
    post.additional_info = info;
    assert_ok(post_with(s, &post));
}

static err_t take(void *context, const struct finding *finding)
{
    struct sanity_fixture *s = context;
    assert_true(s->count < COUNT_OF(s->findings));
    struct finding *copy = &s->findings[s->count++];
    *copy = *finding;
    copy->message = usage_copy(&s->f, finding->message);
    copy->meter_id = usage_copy(&s->f, finding->meter_id);
    copy->resource_uri = usage_copy(&s->f, finding->resource_uri);
    return ERROR_OK;
}

static size_t list_days(struct sanity_fixture *s, int64_t first_day, int64_t end_day)
{
    struct kv_txn *txn = store_fixture_read(&s->f.base);
    struct finding_position position = { { 0 } };
    bool more = true;
    s->count = 0;
    while (more)
        assert_ok(finding_list(txn, first_day, end_day, 3, &position, take, s, &more));
    store_read_end(txn);
    return s->count;
}

static size_t list(struct sanity_fixture *s)
{
    return list_days(s, 0, INT64_C(1) << 31);
}

static struct finding_totals totals(struct sanity_fixture *s)
{
    struct finding_totals result;
    struct kv_txn *txn = store_fixture_read(&s->f.base);
    assert_ok(finding_read_totals(txn, &result));
    store_read_end(txn);
    return result;
}

/* --- more than the window holds --- */

static void one_machine_has_one_hour_an_hour(void **state)
{
    struct sanity_fixture *s = *state;
    accept(s, "\"a\"", VM_HOURS, "1", NULL, NULL);
    accept(s, "\"b\"", VM_HOURS, "1.0000000000000002", NULL, NULL); /* a double's idea of one */
    assert_int_equal(list(s), 0);
    accept(s, "\"c\"", VM_HOURS, "1.01", NULL, NULL);
    assert_int_equal(list(s), 1);
    assert_int_equal(s->findings[0].kind, FINDING_OVER_WINDOW);
    assert_non_null(strstr(s->findings[0].message.ptr, "1.01 of VM hours"));
}

static void half_an_hour_holds_half_as_much(void **state)
{
    struct sanity_fixture *s = *state;
    struct post post = post_good();
    post.meter_id = VM_HOURS;
    post.start = "\"2026-01-31T11:00:00Z\"";
    post.end = "\"2026-01-31T11:30:00Z\"";
    post.quantity = "0.5";
    assert_ok(post_with(s, &post));
    assert_int_equal(list(s), 0);
    post.id = "\"more\"";
    post.quantity = "0.75";
    assert_ok(post_with(s, &post));
    assert_int_equal(list(s), 1);
}

static void a_scale_set_may_have_any_number(void **state)
{
    struct sanity_fixture *s = *state;
    accept(s, "\"a\"", VM_HOURS, "12",
           "\"/subscriptions/x/resourceGroups/rg/providers/Microsoft.Compute/virtualMachineScaleSets/web\"", NULL);
    assert_int_equal(list(s), 0);
}

static void cores_count_only_where_the_record_tells_them(void **state)
{
    struct sanity_fixture *s = *state;
    accept(s, "\"a\"", CORE_HOURS, "640", NULL, "{\"ServiceType\":\"Standard_D4_v2\"}");
    accept(s, "\"b\"", CORE_HOURS, "8", NULL, "{\"vCPUs\":\"8\"}");
    accept(s, "\"c\"", CORE_HOURS, "8", NULL, "\"{\\\"numberOfCores\\\":8}\"");
    accept(s, "\"d\"", CORE_HOURS, "8", NULL, "{\"cores\":\"many\"}");
    assert_int_equal(list(s), 0);
    accept(s, "\"e\"", CORE_HOURS, "9", NULL, "{\"vcpus\":8}");
    assert_int_equal(list(s), 1);
}

static void a_disk_has_a_part_of_a_month_an_hour(void **state)
{
    struct sanity_fixture *s = *state;
    accept(s, "\"a\"", DISK_MONTHS, "0.001488095238", DISK, NULL); /* an hour of February */
    assert_int_equal(list(s), 0);
    accept(s, "\"b\"", DISK_MONTHS, "1", DISK, NULL);
    assert_int_equal(list(s), 1);
}

/* --- meters and subscriptions --- */

static void a_meter_that_nobody_knows_is_one_finding_a_day(void **state)
{
    struct sanity_fixture *s = *state;
    accept(s, "\"a\"", "\"no-such-meter\"", "1", NULL, NULL);
    accept(s, "\"b\"", "\"no-such-meter\"", "1", DISK, NULL);
    assert_int_equal(list(s), 1);
    assert_int_equal(s->findings[0].kind, FINDING_UNKNOWN_METER);
    assert_int_equal(s->findings[0].count, 2);
    assert_int_equal(totals(s).records[FINDING_UNKNOWN_METER], 2);
    clock_manual_advance(&s->f.base.clock, NS_PER_DAY);
    accept(s, "\"c\"", "\"no-such-meter\"", "1", NULL, NULL);
    assert_int_equal(list(s), 2);
    int64_t today = instant_day(test_instant(FIXTURE_NOW));
    assert_int_equal(list_days(s, today, today + 1), 1);
    assert_int_equal(list_days(s, today + 1, today + 2), 1);
    assert_int_equal(list_days(s, today + 2, today + 9), 0);
}

static void delete_subscription(struct sanity_fixture *s)
{
    struct subscription subscription = { .display_name = TEXT("a"), .owner = TEXT(""), .offer_id = TEXT("") };
    struct subscription_put put;
    struct subscription_delete delete_job;
    assert_true(guid_parse(TEXT(POST_SUBSCRIPTION), &subscription.id));
    subscription_put_init(&put, &subscription);
    assert_ok(store_run(s->f.base.store, &put.job));
    subscription_delete_init(&delete_job, &subscription.id);
    assert_ok(store_run(s->f.base.store, &delete_job.job));
}

static void usage_that_begins_after_the_deletion_is_found(void **state)
{
    struct sanity_fixture *s = *state;
    accept(s, "\"a\"", CORE_HOURS, "1", NULL, NULL);
    delete_subscription(s);
    accept(s, "\"b\"", CORE_HOURS, "1", NULL, NULL); /* it began an hour before */
    assert_int_equal(list(s), 0);
    clock_manual_advance(&s->f.base.clock, 2 * NS_PER_HOUR);
    struct post post = post_good();
    post.id = "\"c\"";
    post.quantity = "1";
    post.start = "\"2026-01-31T13:00:00Z\"";
    post.end = "\"2026-01-31T14:00:00Z\"";
    assert_ok(post_with(s, &post));
    assert_int_equal(list(s), 1);
    assert_int_equal(s->findings[0].kind, FINDING_AFTER_DELETION);
    assert_non_null(strstr(s->findings[0].message.ptr, "2026-01-31T12:30:00Z"));
}

/* A meter's number in an undone transaction may be another's in the next. */
static void what_was_learnt_in_an_undone_transaction_is_forgotten(void **state)
{
    struct sanity_fixture *s = *state;
    struct post post = post_good();
    post.meter_id = "\"no-such-meter\"";
    store_fail_write(s->f.base.store, 12, ERROR_INSUFFICIENT_STORAGE);
    for (int i = 0; i < 20 && post_with(s, &post) == ERROR_OK; i++)
        ;
    store_fail_write(s->f.base.store, 0, ERROR_OK);
    accept(s, "\"b\"", CORE_HOURS, "1", NULL, NULL);
    for (size_t i = 0; i < list(s); i++)
        assert_false(text_equal_nocase(s->findings[i].meter_id, TEXT(POST_METER)));
}

struct failing_job {
    struct store_job job; /* first member */
    struct ingest_batch *batch;
};

static err_t run_and_fail(struct store_write *write, struct store_job *job)
{
    struct failing_job *failing = (struct failing_job *)job;
    err_t error = failing->batch->job.run(write, &failing->batch->job);
    return error == ERROR_OK ? ERROR_INSUFFICIENT_STORAGE : error;
}

/* ... also when the sequences of that transaction belong to others by now, whom nobody looked at. */
static void it_is_forgotten_although_others_went_on_since(void **state)
{
    struct sanity_fixture *s = *state;
    struct record_limits limits = usage_limits(&s->f);
    struct failing_job failing = { .job = { .run = run_and_fail, .weight = 1 }, .batch = usage_batch(&s->f, &limits) };
    struct error_info info;
    struct post post = post_good();
    post.meter_id = VM_HOURS;
    failing.batch->sanity = s->sanity;
    assert_ok(ingest_parse(failing.batch, INGEST_JSON, usage_post_text(&s->f, &post), &info));
    assert_ok(ingest_prepare(failing.batch));
    assert_error(store_run(s->f.base.store, &failing.job), ERROR_INSUFFICIENT_STORAGE);
    post.meter_id = "\"no-such-meter\"";
    usage_post_accepted(&s->f, &post); /* its meter has the number of the one that was undone */
    accept(s, "\"b\"", post.meter_id, "1000", NULL, NULL);
    assert_int_equal(list(s), 1);
    assert_int_equal(s->findings[0].kind, FINDING_UNKNOWN_METER);
}

static void so_many_subjects_a_day_and_the_rest_is_counted(void **state)
{
    struct sanity_fixture *s = *state;
    struct record_limits limits = usage_limits(&s->f);
    struct ingest_batch *batch = usage_batch(&s->f, &limits);
    struct error_info info;
    batch->sanity = s->sanity;
    for (int i = 0; i < FINDINGS_PER_DAY_MAX + 5; i++) {
        char id[32], meter[32];
        struct post post = post_good();
        snprintf(id, sizeof id, "\"id-%d\"", i);
        snprintf(meter, sizeof meter, "\"meter-%d\"", i);
        post.id = id;
        post.meter_id = meter;
        assert_ok(ingest_parse(batch, INGEST_JSON, usage_post_text(&s->f, &post), &info));
    }
    assert_ok(ingest_submit(batch, s->f.base.store, NULL));
    assert_int_equal(totals(s).records[FINDING_UNKNOWN_METER], FINDINGS_PER_DAY_MAX + 5);
    assert_int_equal(totals(s).not_listed, 5);
}

struct drop_job {
    struct store_job job;
    int64_t before_ns;
    bool left;
};

static err_t run_drop(struct store_write *write, struct store_job *job)
{
    struct drop_job *drop = (struct drop_job *)job;
    return findings_drop(write_txn(write), drop->before_ns, 100, &drop->left);
}

static void findings_grow_old(void **state)
{
    struct sanity_fixture *s = *state;
    accept(s, "\"a\"", "\"no-such-meter\"", "1", NULL, NULL);
    clock_manual_advance(&s->f.base.clock, NS_PER_DAY);
    accept(s, "\"b\"", "\"no-such-meter\"", "1", NULL, NULL);
    struct drop_job drop = { .job = { .run = run_drop, .weight = 1 },
                             .before_ns = test_instant("2026-02-01T00:00:00Z") };
    assert_ok(store_run(s->f.base.store, &drop.job));
    assert_false(drop.left);
    assert_int_equal(list(s), 1);
}

/* --- sums --- */

struct sums {
    size_t count;
    char quantity[DECIMAL_TEXT_SIZE];
};

static err_t take_sum(void *context, const struct sanity_sum *sum)
{
    struct sums *sums = context;
    sums->count++;
    decimal_sum_print(&sum->quantity, sums->quantity);
    return ERROR_OK;
}

static struct sums report(struct sanity_fixture *s)
{
    struct sums sums = { 0 };
    bool more;
    struct kv_txn *txn = store_fixture_read(&s->f.base);
    uint32_t hour = (uint32_t)instant_hour(test_instant(FIXTURE_NOW));
    assert_ok(sanity_report(s->f.base.store, txn, s->meters, hour, hour + 1, 10, take_sum, &sums, &more));
    assert_false(more);
    store_read_end(txn);
    return sums;
}

static void two_records_that_are_fine_alone_are_too_much_together(void **state)
{
    struct sanity_fixture *s = *state;
    accept(s, "\"a\"", VM_HOURS, "0.9", NULL, NULL);
    assert_int_equal(report(s).count, 0);
    accept(s, "\"b\"", VM_HOURS, "0.9", NULL, "{\"other\":\"instance\"}");
    accept(s, "\"c\"", CORE_HOURS, "5000", NULL, NULL);
    assert_int_equal(list(s), 0);
    struct sums sums = report(s);
    assert_int_equal(sums.count, 1);
    assert_string_equal(sums.quantity, "1.8");
}

#define WITH_SANITY(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

TESTS(WITH_SANITY(one_machine_has_one_hour_an_hour), WITH_SANITY(half_an_hour_holds_half_as_much),
      WITH_SANITY(a_scale_set_may_have_any_number), WITH_SANITY(cores_count_only_where_the_record_tells_them),
      WITH_SANITY(a_disk_has_a_part_of_a_month_an_hour), WITH_SANITY(a_meter_that_nobody_knows_is_one_finding_a_day),
      WITH_SANITY(usage_that_begins_after_the_deletion_is_found),
      WITH_SANITY(what_was_learnt_in_an_undone_transaction_is_forgotten),
      WITH_SANITY(it_is_forgotten_although_others_went_on_since),
      WITH_SANITY(so_many_subjects_a_day_and_the_rest_is_counted), WITH_SANITY(findings_grow_old),
      WITH_SANITY(two_records_that_are_fine_alone_are_too_much_together))
