/* Unit tests of the demo's history in the store, and of the point in time that it remembers. */
#include "cli/demo_history.h"
#include "support/store_fixture.h"

/* More than two chunks of a day. */
#define HOURS 60

static uint64_t all_of(const struct demo_history_counts *counts)
{
    return counts->accepted + counts->duplicate + counts->conflict + counts->rejected;
}

static void history_is_written_once(void **state)
{
    struct store_fixture *f = *state;
    struct error_info info = { 0 };
    struct demo_stamp stamp = { .seed = DEMO_SEED, .start_hour = instant_hour(test_instant(FIXTURE_NOW)) };
    struct demo_history_counts first, second;
    assert_ok(demo_history_write(f->store, &stamp, HOURS, &first, &info));
    assert_uint_in_range(first.accepted, 150 * HOURS, 320 * HOURS);
    assert_true(first.duplicate > 0 && first.conflict > 0 && first.rejected > 0);
    struct store_state before = store_fixture_state(f);
    assert_true(before.last_sequence == first.accepted);
    assert_true(before.first_live_hour == -1);
    assert_ok(demo_history_write(f->store, &stamp, HOURS, &second, &info));
    assert_true(second.accepted == 0 && all_of(&second) == all_of(&first));
    assert_true(second.conflict == first.conflict && second.rejected == first.rejected);
    assert_true(store_fixture_state(f).last_sequence == before.last_sequence);
}

static void positions_are_remembered(void **state)
{
    struct store_fixture *f = *state;
    struct demo_position_put put;
    struct demo_position position = { .now_ns = test_instant("2026-01-31T13:07:00.5Z"),
                                      .posting_hour = 491437,
                                      .regular_done = true };
    struct demo_position found;
    struct kv_txn *txn = store_fixture_read(f);
    assert_error(demo_position_get(txn, &found), ERROR_NOT_FOUND);
    store_read_end(txn);
    demo_position_put_init(&put, &position);
    assert_ok(store_run(f->store, &put.job));
    store_fixture_reopen(f);
    txn = store_fixture_read(f);
    assert_ok(demo_position_get(txn, &found));
    store_read_end(txn);
    assert_true(found.now_ns == position.now_ns && found.posting_hour == position.posting_hour && found.regular_done);
}

TESTS(WITH_STORE_FIXTURE(history_is_written_once), WITH_STORE_FIXTURE(positions_are_remembered))
