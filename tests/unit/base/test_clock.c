/* Unit tests of base/clock. */
#include "support.h"

#include "base/clock.h"
#include "base/instant.h"

static void system_clock_runs(void **state)
{
    (void)state;
    const struct clock *clock = clock_system();
    int64_t first = clock_monotonic_ns(clock);
    assert_true(clock_monotonic_ns(clock) >= first);
    assert_true(clock_wall_ns(clock) > INT64_C(1700000000) * NS_PER_SECOND);
}

static void paused_clock_stands(void **state)
{
    (void)state;
    struct clock_manual manual;
    clock_manual_init(&manual, 1000, 0);
    const struct clock *clock = &manual.clock;
    assert_true(clock_wall_ns(clock) == 1000);
    clock_manual_advance(&manual, NS_PER_HOUR);
    assert_true(clock_wall_ns(clock) == 1000 + NS_PER_HOUR);
    clock_manual_set_wall(&manual, -7);
    assert_true(clock_wall_ns(clock) == -7);
    int64_t first = clock_monotonic_ns(clock);
    assert_true(clock_monotonic_ns(clock) >= first && first > 0);
}

static void speed_scales_monotonic_time(void **state)
{
    (void)state;
    struct clock_manual manual;
    clock_manual_init(&manual, 0, 3600 * 1000);
    const struct clock *clock = &manual.clock;
    clock_manual_set_monotonic(&manual, 50);
    clock_manual_set_wall(&manual, 1000);
    assert_true(clock_monotonic_ns(clock) == 50);
    clock_manual_set_monotonic(&manual, 50 + NS_PER_SECOND);
    assert_true(clock_wall_ns(clock) == 1000 + NS_PER_HOUR);
    clock_manual_advance(&manual, 5);
    assert_true(clock_wall_ns(clock) == 1005 + NS_PER_HOUR);
    clock_manual_set_wall(&manual, 77);
    assert_true(clock_wall_ns(clock) == 77);
    clock_manual_set_monotonic(&manual, 50 + 3 * NS_PER_SECOND);
    assert_true(clock_wall_ns(clock) == 77 + 2 * NS_PER_HOUR);
}

/* Taking over the monotonic side does not make wall time jump. */
static void freezing_keeps_the_wall(void **state)
{
    (void)state;
    struct clock_manual manual;
    clock_manual_init(&manual, NS_PER_DAY, 1000);
    (void)usleep(2000);
    clock_manual_set_monotonic(&manual, 0);
    int64_t wall = clock_wall_ns(&manual.clock);
    assert_true(wall >= NS_PER_DAY + NS_PER_MS && wall < NS_PER_DAY + NS_PER_HOUR);
    clock_manual_set_monotonic(&manual, 10);
    assert_true(clock_wall_ns(&manual.clock) == wall + 10);
}

TESTS(cmocka_unit_test(system_clock_runs), cmocka_unit_test(paused_clock_stands),
      cmocka_unit_test(speed_scales_monotonic_time), cmocka_unit_test(freezing_keeps_the_wall))
