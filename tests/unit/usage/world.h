/* One simulated life of a store: random usage, corrections, time, retention, failing writes, power cuts, restarts,
 * with every answer compared with the model's. Everything random comes from the seed. Used by test_model.c (no faults
 * but failing writes) and by tests/sim (a disk with faults, planted bugs).
 *
 * The checkers, after architecture section 3:
 *  - acknowledged implies present after any power cut, refused implies absent, and nothing is counted twice: the model
 *    holds what was acknowledged, and lists, summaries and the journal's totals are compared with it;
 *  - a batch under way when the power went is there as a whole or not at all;
 *  - reported time never goes back, and a window told complete never grows;
 *  - sequences ascend, the hash chain holds, the row engine finds nothing wrong with itself. */
#pragma once

#include "support/summary_fixture.h"

#include <errno.h>
#include <semaphore.h>

#include "usage/correction.h"
#include "usage/model.h"

/* What the simulation's disk can do (tests/sim/faults.h). */
struct world_disk {
    void (*fail_write)(uint64_t nth, int error_number);
    void (*cut_power)(uint64_t nth, uint64_t seed, const char *image_path);
    bool (*power_was_cut)(void);
    void (*reset)(void); /* for the next file */
};

struct world_options {
    uint64_t seed;
    int steps;
    const struct world_disk *disk; /* NULL: an ordinary one */
    bool double_count;             /* a planted bug: known records are not recognised now and then */
    bool verbose;                  /* a line per step on stderr */
};

#define WORLD_BATCH_MAX 12
#define WORLD_OPERATIONS_TO_CUT_MAX 60
#define WORLD_WRITES_TO_FAIL_MAX 30
#define WORLD_UPKEEP_ROUNDS_MAX 200
#define WORLD_CORRECTIONS_MAX 40 /* of one record */

struct world {
    struct usage_fixture fixture;
    struct model model;
    struct prng prng;
    struct meters *meters;
    const struct world_options *options;
    int64_t reported_ns; /* the newest reported time seen */
    int64_t told_ns;     /* the latest end of a window that was told complete */
    uint64_t sequence;   /* the newest seen */
    uint64_t corrections;
    int step;
};

static inline uint64_t below(struct world *w, uint64_t bound)
{
    return prng_below(&w->prng, bound);
}

static inline bool one_in(struct world *w, uint64_t n)
{
    return below(w, n) == 0;
}

static inline void say(const struct world *w, const char *what)
{
    if (w->options->verbose)
        (void)fprintf(stderr, "# step %d: %s (%zu records)\n", w->step, what, w->model.count);
}

static inline struct store *store_of(struct world *w)
{
    return w->fixture.base.store;
}

/* --- making records --- */

static inline struct model_record random_record(struct world *w, bool history)
{
    int64_t now_ns = store_now_ns(store_of(w));
    int64_t length_ns = one_in(w, 6) ? 1 + (int64_t)below(w, RECORD_INTERVAL_NS_MAX) : NS_PER_HOUR;
    int64_t age_ns = one_in(w, 3) ? (int64_t)below(w, 60 * NS_PER_DAY) : (int64_t)below(w, 2 * NS_PER_HOUR);
    struct model_record r = {
        .id = (int)below(w, w->model.count + 20),
        .source = (int)below(w, MODEL_SOURCES),
        .subscription = (int)below(w, MODEL_SUBSCRIPTIONS),
        .meter = (int)below(w, MODEL_METERS),
        .meter_spelling = (int)below(w, 2),
        .resource = (int)below(w, MODEL_RESOURCES),
        .resource_spelling = (int)below(w, 2),
        .location = (int)below(w, MODEL_LOCATIONS),
        .tags = (int)below(w, MODEL_TAGS),
        .history = history,
    };
    r.end_ns = now_ns - age_ns - now_ns % NS_PER_HOUR;
    if (one_in(w, 3))
        r.end_ns += (int64_t)below(w, NS_PER_HOUR) - NS_PER_HOUR;
    if (history) {
        r.end_ns -= 40 * NS_PER_DAY;
        r.reported_ns = r.end_ns - NS_PER_DAY + (int64_t)below(w, 50 * NS_PER_DAY);
    }
    r.start_ns = r.end_ns - length_ns;
    (void)snprintf(r.quantity, sizeof r.quantity, "%d.%0*d", (int)below(w, 1000), 1 + (int)below(w, 9),
                   (int)below(w, 10));
    r.bad = one_in(w, 15);
    return r;
}

/* One in so many is a known record again, as it was or changed in one member. */
static inline struct model_record next_record(struct world *w, bool history)
{
    if (w->model.count == 0 || !one_in(w, 3))
        return random_record(w, history);
    struct model_record r = w->model.records[below(w, w->model.count)];
    r.meter_spelling = (int)below(w, 2);
    r.resource_spelling = (int)below(w, 2);
    r.bad = false;
    if (r.history != history) /* a reported time of its own is needed, or ignored */
        r.reported_ns = r.end_ns;
    r.history = history;
    if (one_in(w, 2)) {
        switch (below(w, 4)) {
        case 0:
            (void)snprintf(r.quantity, sizeof r.quantity, "%d", (int)below(w, 5000));
            break;
        case 1:
            r.location = (int)below(w, MODEL_LOCATIONS);
            break;
        case 2:
            r.subscription = (int)below(w, MODEL_SUBSCRIPTIONS);
            break;
        default:
            r.tags = (int)below(w, MODEL_TAGS);
        }
    }
    return r;
}

static inline struct ingest_batch *parse_batch(struct world *w, const struct model_record *records, size_t count,
                                               bool history)
{
    struct record_limits limits = history ? usage_history_limits(&w->fixture) : usage_limits(&w->fixture);
    struct ingest_batch *batch = usage_batch(&w->fixture, &limits);
    for (size_t i = 0; i < count; i++) {
        struct post post;
        model_post(w->fixture.arena, &records[i], &post);
        assert_ok(ingest_add(batch, usage_post_text(&w->fixture, &post), NULL));
    }
    return batch;
}

/* --- what the store says of itself --- */

static inline struct store_state state_of(struct world *w)
{
    return store_fixture_state(&w->fixture.base);
}

/* Reported time of the last commit with live entries, checked: it never goes back. */
static inline int64_t reported_now(struct world *w)
{
    struct store_state state = state_of(w);
    assert_true(state.last_reported_ns >= w->reported_ns);
    w->reported_ns = state.last_reported_ns;
    return w->reported_ns;
}

static inline void check_fault(void *context, const char *sentence)
{
    (void)context;
    fail_msg("the row engine: %s", sentence);
}

static inline void check_inside(struct world *w)
{
    struct kv_txn *txn = store_fixture_read(&w->fixture.base);
    uint64_t first, broken;
    uint8_t head[SHA256_SIZE];
    struct store_state state;
    assert_ok(store_read_state(txn, &state));
    assert_ok(journal_check_chain(txn, &first, head, &broken));
    assert_int_equal(broken, 0);
    assert_memory_equal(head, state.head, sizeof head);
    for (int family = 0; family < ROWS_FAMILY_COUNT; family++)
        assert_ok(store_rows(store_of(w))->check(txn, (enum row_family)family, check_fault, NULL));
    store_read_end(txn);
}

/* --- steps that write --- */

static inline void take_batch(struct world *w, struct ingest_batch *batch, struct model_record *records, size_t count,
                              bool history)
{
    int64_t reported_ns = history ? store_now_ns(store_of(w)) : reported_now(w);
    for (size_t i = 0; i < count; i++) {
        enum verdict expected = model_add(&w->model, w->fixture.arena, &records[i], reported_ns);
        assert_verdict(&batch->results[i], expected);
        if (expected != VERDICT_ACCEPTED)
            continue;
        assert_true(batch->results[i].sequence > w->sequence);
        w->sequence = batch->results[i].sequence;
        assert_true(history || records[i].reported_ns >= w->told_ns);
    }
    assert_true(batch->last_sequence >= w->sequence);
    assert_int_equal(state_of(w).records, w->model.count);
}

/* As a bug in the dedupe index would have it: known records aren't recognised. */
static inline void forge_identities(struct ingest_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        if (batch->results[i].parsed_verdict == VERDICT_PENDING)
            batch->results[i].record.identity.bytes[0] ^= 1;
}

static inline void arm_failing_write(struct world *w)
{
    static const int errors[] = { ENOSPC, EIO, 0 };
    uint64_t nth = 1 + below(w, WORLD_WRITES_TO_FAIL_MAX);
    if (w->options->disk != NULL)
        w->options->disk->fail_write(nth, errors[below(w, COUNT_OF(errors))]);
    else
        store_fail_write(store_of(w), nth, one_in(w, 2) ? ERROR_INSUFFICIENT_STORAGE : ERROR_IO);
}

static inline void disarm_failing_write(struct world *w)
{
    if (w->options->disk != NULL)
        w->options->disk->fail_write(0, 0);
    else
        store_fail_write(store_of(w), 0, ERROR_OK);
}

static inline void ingest_step(struct world *w)
{
    struct model_record records[WORLD_BATCH_MAX];
    size_t count = 1 + below(w, WORLD_BATCH_MAX);
    bool history = one_in(w, 6), failing = one_in(w, 5);
    for (size_t i = 0; i < count; i++)
        records[i] = i > 0 && one_in(w, 10) ? records[i - 1] : next_record(w, history);
    struct ingest_batch *batch = parse_batch(w, records, count, history);
    if (w->options->double_count && one_in(w, 20))
        forge_identities(batch);
    if (failing)
        arm_failing_write(w);
    say(w, failing ? "ingest with a failing write" : "ingest");
    err_t error = ingest_submit(batch, store_of(w), NULL);
    disarm_failing_write(w);
    if (error == ERROR_OK)
        take_batch(w, batch, records, count, history);
    else
        assert_true(failing);
}

/* --- corrections --- */

static inline struct correction *submit_correction(struct world *w, const struct model_record *r, bool voids,
                                                   const char *quantity)
{
    struct ingest_producer party = { TEXT("operator"), &usage_any_source, 1 };
    struct correction_batch *batch = correction_new(w->fixture.arena, &party, store_hash_key(store_of(w)));
    assert_non_null(batch);
    struct text amount = voids ? TEXT("") : arena_format(w->fixture.arena, ",\"quantity\":\"%s\"", quantity);
    struct text body = arena_format(w->fixture.arena,
                                    "{\"source\":\"%s\",\"id\":\"r%d\",\"action\":\"%s\",\"reason\":\"simulated\"%.*s}",
                                    model_sources[r->source], r->id, voids ? "void" : "amend", TEXT_ARGS(amount));
    assert_ok(correction_parse(batch, body, NULL));
    assert_ok(correction_submit(batch, store_of(w), NULL));
    return &batch->corrections[0];
}

static inline void correction_step(struct world *w)
{
    struct model_record unknown = { .id = 1000000 };
    if (w->model.count == 0 || one_in(w, 12)) {
        say(w, "a correction of an unknown record");
        assert_int_equal(submit_correction(w, &unknown, true, NULL)->failure.code, ERROR_RECORD_NOT_FOUND);
        return;
    }
    size_t record = below(w, w->model.count);
    const struct model_record *r = &w->model.records[record];
    bool voids = one_in(w, 3);
    char quantity[32];
    (void)snprintf(quantity, sizeof quantity, "%d.%d", (int)below(w, 3), (int)below(w, 100));
    say(w, "correction");
    const struct correction *done = submit_correction(w, r, voids, quantity);
    if (done->failure.code == ERROR_TOO_MANY_CORRECTIONS)
        return;
    assert_int_equal(done->failure.code, ERROR_OK);
    bool changes = voids ? !r->voided : r->voided || !model_same_quantity(quantity, r->counted);
    assert_int_equal(done->changed, changes);
    if (!changes)
        return;
    assert_true(done->sequence > w->sequence && done->reported_ns >= w->told_ns);
    w->sequence = done->sequence;
    model_correct(&w->model, record, quantity, voids, reported_now(w));
    assert_int_equal(state_of(w).corrections, ++w->corrections);
}

static inline void time_step(struct world *w)
{
    int64_t wall_ns = clock_wall_ns(&w->fixture.base.clock.clock);
    int64_t change_ns = one_in(w, 8) ? -(int64_t)below(w, 3 * NS_PER_HOUR) : (int64_t)below(w, 5 * NS_PER_HOUR);
    if (one_in(w, 6))
        change_ns = (int64_t)below(w, 60 * NS_PER_HOUR);
    say(w, change_ns < 0 ? "the clock goes back" : "time passes");
    clock_manual_set_wall(&w->fixture.base.clock, wall_ns + change_ns);
    if (one_in(w, 2))
        store_tick(store_of(w));
}

static inline void restart_step(struct world *w)
{
    say(w, "restart");
    store_fixture_reopen(&w->fixture.base);
    struct store_state state = state_of(w);
    assert_int_equal(state.records, w->model.count);
    assert_int_equal(state.corrections, w->corrections);
    assert_int_equal(state.first_live_hour, w->model.first_live_hour);
    assert_true(state.last_reported_ns >= w->reported_ns);
}

/* --- power cuts --- */

/* Waits for the cut if work in the background still brings it about, in bounded rounds. */
static inline void poke(struct world *w)
{
    for (int i = 0; i < WORLD_UPKEEP_ROUNDS_MAX && !w->options->disk->power_was_cut(); i++) {
        struct store_counters counters = store_counters(store_of(w));
        if (!counters.upkeep_left)
            return;
        store_tick(store_of(w));
    }
}

/* The store goes on from the image as after the machine came back. */
static inline void boot_from(struct world *w, const char *image_path)
{
    char data_path[TEST_PATH_SIZE];
    store_close(store_of(w));
    w->fixture.base.store = NULL;
    test_folder_path(&w->fixture.base.folder, "data.mdb", data_path);
    w->options->disk->reset();
    if (rename(image_path, data_path) != 0)
        fail_msg("no image");
    store_fixture_open(&w->fixture.base);
}

/* Corrections are not under way when the power is cut, so only the batch's records go. */
static inline void forget_batch(struct world *w, const struct model *before)
{
    struct model_record *records = w->model.records;
    size_t capacity = w->model.capacity;
    w->model = *before;
    w->model.records = records;
    w->model.capacity = capacity;
}

static inline void power_cut_step(struct world *w)
{
    if (w->options->disk == NULL)
        return;
    char image_path[TEST_PATH_SIZE];
    struct model_record records[WORLD_BATCH_MAX];
    size_t count = 1 + below(w, WORLD_BATCH_MAX);
    bool history = one_in(w, 6);
    for (size_t i = 0; i < count; i++)
        records[i] = next_record(w, history);
    struct ingest_batch *batch = parse_batch(w, records, count, history);
    struct model before = w->model;
    uint64_t sequence_before = w->sequence;
    int64_t reported_before_ns = w->reported_ns;
    test_folder_path(&w->fixture.base.folder, "image.mdb", image_path);
    w->options->disk->cut_power(1 + below(w, WORLD_OPERATIONS_TO_CUT_MAX), prng_next(&w->prng), image_path);
    say(w, "ingest with a power cut");
    assert_ok(ingest_submit(batch, store_of(w), NULL));
    bool cut_before_answer = w->options->disk->power_was_cut();
    take_batch(w, batch, records, count, history);
    poke(w);
    bool cut = w->options->disk->power_was_cut();
    if (!cut) {
        w->options->disk->cut_power(0, 0, NULL);
        return;
    }
    boot_from(w, image_path);
    uint64_t found = state_of(w).records;
    if (found == before.count && cut_before_answer) {
        forget_batch(w, &before);
        w->sequence = sequence_before;
        w->reported_ns = reported_before_ns;
    } else {
        assert_int_equal(found, w->model.count);
    }
    check_inside(w);
}

/* --- questions --- */

/* Around some record's time of usage or of report, and now and then anywhere. */
static inline void random_window(struct world *w, int64_t unit_ns, int64_t *from_ns, int64_t *to_ns)
{
    int64_t middle_ns = test_instant("2025-11-01T00:00:00Z") + (int64_t)below(w, 100 * NS_PER_DAY);
    if (w->model.count > 0 && !one_in(w, 5)) {
        const struct model_record *record = &w->model.records[below(w, w->model.count)];
        middle_ns = one_in(w, 2) ? record->start_ns : record->reported_ns;
    }
    *from_ns = middle_ns / unit_ns * unit_ns - (int64_t)below(w, one_in(w, 2) ? 2 : 40) * unit_ns;
    *to_ns = *from_ns + (int64_t)below(w, one_in(w, 2) ? 4 : 2000) * unit_ns;
    if (one_in(w, 6))
        *from_ns = -unit_ns;
}

static inline void check_listed(struct world *w, const struct listing_query *query, const struct listing_row *row,
                                const struct model_row *expected)
{
    char actual[DECIMAL_TEXT_SIZE], wanted[DECIMAL_TEXT_SIZE];
    decimal_sum_print(&row->quantity, actual);
    decimal_sum_print(&expected->quantity, wanted);
    assert_string_equal(actual, wanted);
    assert_int_equal(row->records, expected->records);
    int64_t unit_ns = query->daily ? NS_PER_DAY : NS_PER_HOUR;
    assert_int_equal(row->start_ns, expected->key[MODEL_PERIOD] * unit_ns);
    assert_int_equal(row->end_ns, (expected->key[MODEL_PERIOD] + 1) * unit_ns);
    assert_int_equal(row->subscription.bytes[15], w->model.subscriptions.order[expected->key[MODEL_SUBSCRIPTION] - 1]);
    assert_text(row->meter_id, model_meter_text(&w->model, expected->key[MODEL_METER]));
    assert_int_equal(row->has_instance, query->details);
    if (query->details)
        model_check_instance(&w->model, expected->newest, &row->instance);
}

struct waiting {
    struct store_waiter waiter; /* first member */
    sem_t over;
};

static inline void settled(struct store_waiter *waiter)
{
    (void)sem_post(&((struct waiting *)waiter)->over);
}

/* Whoever asks for a window that has ended is told that it is complete, so it may not grow any more. */
static inline void tell_complete(struct world *w, int64_t end_ns)
{
    struct waiting waiting = { .waiter.settled = settled };
    if (end_ns > store_now_ns(store_of(w)))
        return;
    (void)sem_init(&waiting.over, 0, 0);
    if (!store_settled(store_of(w), end_ns, &waiting.waiter))
        (void)sem_wait(&waiting.over);
    (void)sem_destroy(&waiting.over);
    if (end_ns > w->told_ns && state_of(w).sealed_hour * NS_PER_HOUR >= end_ns)
        w->told_ns = end_ns;
}

/* Whether the hourly rows of what was reported from start_ns on are all there, asked after they were read. */
static inline bool all_kept(struct world *w, int64_t start_ns)
{
    struct kv_txn *txn = store_fixture_read(&w->fixture.base);
    struct retention_state state;
    assert_ok(retention_read(txn, &state));
    store_read_end(txn);
    return state.hourly_end == 0 || start_ns >= hour_start_ns(state.hourly_end);
}

static inline void listing_step(struct world *w)
{
    uint32_t excluded[MODEL_SUBSCRIPTIONS];
    struct listing_query query = { .daily = one_in(w, 2), .details = !one_in(w, 3), .excluded = excluded };
    random_window(w, query.daily ? NS_PER_DAY : NS_PER_HOUR, &query.start_ns, &query.end_ns);
    int only = one_in(w, 3) ? (int)below(w, MODEL_SUBSCRIPTIONS) : -1;
    if (only >= 0) {
        query.one_subscription = true;
        query.subscription = (struct guid){ { [15] = (uint8_t)only } };
    }
    for (uint32_t s = 1; s <= w->model.subscriptions.count; s++)
        if (one_in(w, 4))
            excluded[query.excluded_count++] = s;
    say(w, "list");
    tell_complete(w, query.end_ns);
    struct usage_rows rows = usage_list(&w->fixture, &query);
    if (!query.daily && !all_kept(w, query.start_ns))
        return;
    struct model_rows expected = model_list(&w->model, w->fixture.arena, &query, only);
    assert_int_equal(rows.count, expected.count);
    for (size_t i = 0; i < rows.count; i++)
        check_listed(w, &query, &rows.rows[i], &expected.rows[i]);
}

static inline void random_groups(struct world *w, struct summary_query *query)
{
    static const char *const names[] = { "subscription", "meter", "resource", "location", "source", "tag:a", "tag:B" };
    bool few = one_in(w, 2); /* subscription and meter alone have rows of their own */
    for (size_t i = 0; i < (few ? 2 : COUNT_OF(names)); i++)
        if (one_in(w, few ? 2 : 3))
            assert_ok(summary_read_group_by(text_of(names[i]), query, NULL));
}

static inline void check_summed(struct world *w, const struct summary_query *query, const struct summary_row *row,
                                const struct model_row *expected)
{
    char actual[DECIMAL_TEXT_SIZE], wanted[DECIMAL_TEXT_SIZE];
    decimal_sum_print(&row->quantity, actual);
    decimal_sum_print(&expected->quantity, wanted);
    assert_string_equal(actual, wanted);
    assert_int_equal(row->records, expected->records);
    int64_t unit_ns = query->granularity == SUMMARY_DAILY ? NS_PER_DAY : NS_PER_HOUR;
    assert_int_equal(row->start_ns,
                     query->granularity == SUMMARY_TOTAL ? query->from_ns : expected->key[MODEL_PERIOD] * unit_ns);
    model_check_row(&w->model, query, expected, row);
}

static inline void summary_step(struct world *w)
{
    struct summary_query query = { .reported_axis = one_in(w, 2),
                                   .granularity = (enum summary_granularity)below(w, 3) };
    random_window(w, query.granularity == SUMMARY_DAILY || one_in(w, 2) ? NS_PER_DAY : NS_PER_HOUR, &query.from_ns,
                  &query.to_ns);
    random_groups(w, &query);
    while (one_in(w, 2) && query.filter_count < 4)
        query.filters[query.filter_count++] = model_filter(w->fixture.arena, &w->prng);
    say(w, "summary");
    struct summary_rows rows;
    if (summary_try(&w->fixture, w->meters, &query, &rows) != ERROR_OK) {
        assert_false(all_kept(w, INT64_MIN));
        return;
    }
    struct model_rows expected = model_sum(&w->model, w->fixture.arena, &query);
    assert_int_equal(rows.count, expected.count);
    for (size_t i = 0; i < rows.count; i++)
        check_summed(w, &query, &rows.rows[i], &expected.rows[i]);
}

/* --- the run --- */

/* Some stores forget their hourly rows after a week or so. */
static inline void keep_for_a_while(struct world *w)
{
    if (!one_in(w, 3))
        return;
    w->fixture.base.options.retention.keep_hours[RETENTION_HOURLY] = (int64_t)(100 + below(w, 200));
    store_fixture_reopen(&w->fixture.base);
}

static inline void any_step(struct world *w)
{
    static const struct {
        int weight;
        void (*step)(struct world *w);
    } steps[] = { { 33, ingest_step },  { 15, time_step },   { 10, correction_step }, { 12, listing_step },
                  { 16, summary_step }, { 5, restart_step }, { 7, power_cut_step },   { 2, check_inside } };
    int choice = (int)below(w, 100);
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        choice -= steps[i].weight;
        if (choice < 0) {
            steps[i].step(w);
            return;
        }
    }
}

static inline void world_run(const struct world_options *options)
{
    struct world w = { .options = options, .told_ns = INT64_MIN, .reported_ns = INT64_MIN };
    prng_seed(&w.prng, options->seed);
    if (options->disk != NULL)
        options->disk->reset();
    (void)setenv("STAMPMETER_ROWS", one_in(&w, 4) ? rows_plain.name : rows_runs.name, 1);
    usage_fixture_make(&w.fixture);
    keep_for_a_while(&w);
    model_init(&w.model);
    w.meters = summary_meters(&w.fixture);
    struct arena *lasting = w.fixture.arena;
    for (w.step = 0; w.step < options->steps; w.step++) {
        w.fixture.arena = arena_new(65536, 0); /* of this step */
        assert_non_null(w.fixture.arena);
        any_step(&w);
        arena_free(w.fixture.arena);
    }
    w.fixture.arena = lasting;
    check_inside(&w);
    model_free(&w.model);
    usage_fixture_free(&w.fixture);
    if (options->disk != NULL)
        options->disk->reset();
}
