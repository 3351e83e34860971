/* The only file that asks the operating system for the time. */
#include "base/clock.h"

#include <stddef.h>
#include <time.h>

#include "base/check.h"
#include "base/instant.h"

static int64_t read_ns(clockid_t id)
{
    struct timespec now;
    REQUIRE(clock_gettime(id, &now) == 0);
    return (int64_t)now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

static int64_t system_wall_ns(const struct clock *clock)
{
    (void)clock;
    return read_ns(CLOCK_REALTIME);
}

static int64_t system_monotonic_ns(const struct clock *clock)
{
    (void)clock;
    return read_ns(CLOCK_MONOTONIC);
}

const struct clock *clock_system(void)
{
    static const struct clock system_clock = { system_wall_ns, system_monotonic_ns };
    return &system_clock;
}

static int64_t manual_monotonic_ns(const struct clock *clock)
{
    const struct clock_manual *manual = (const struct clock_manual *)clock;
    int64_t fixed = atomic_load(&manual->fixed_monotonic_ns);
    return fixed >= 0 ? fixed : read_ns(CLOCK_MONOTONIC);
}

/* How far simulated time has run since the base. 128 bits: at high speeds the product leaves 64. */
static int64_t manual_elapsed_ns(const struct clock_manual *manual)
{
    int64_t monotonic = manual_monotonic_ns(&manual->clock);
    __extension__ typedef __int128 wide;
    wide elapsed = (wide)monotonic - atomic_load(&manual->base_monotonic_ns);
    wide scaled = elapsed * atomic_load(&manual->speed_permille) / 1000;
    REQUIRE(scaled <= INT64_MAX && scaled >= INT64_MIN);
    return (int64_t)scaled;
}

static int64_t manual_wall_ns(const struct clock *clock)
{
    const struct clock_manual *manual = (const struct clock_manual *)clock;
    return atomic_load(&manual->base_wall_ns) + manual_elapsed_ns(manual);
}

void clock_manual_init(struct clock_manual *clock, int64_t wall_ns, int64_t speed_permille)
{
    clock->clock = (struct clock){ manual_wall_ns, manual_monotonic_ns };
    atomic_store(&clock->fixed_monotonic_ns, -1);
    atomic_store(&clock->base_monotonic_ns, read_ns(CLOCK_MONOTONIC));
    atomic_store(&clock->base_wall_ns, wall_ns);
    atomic_store(&clock->speed_permille, speed_permille);
}

/* Wall time is steered through base_wall_ns alone, so that a reader never sees half of a change. */
void clock_manual_advance(struct clock_manual *clock, int64_t delta_ns)
{
    atomic_fetch_add(&clock->base_wall_ns, delta_ns);
}

void clock_manual_set_wall(struct clock_manual *clock, int64_t wall_ns)
{
    atomic_store(&clock->base_wall_ns, wall_ns - manual_elapsed_ns(clock));
}

/* The first call leaves the system's monotonic time: the wall time of that moment becomes the new base. */
void clock_manual_set_monotonic(struct clock_manual *clock, int64_t monotonic_ns)
{
    REQUIREF(monotonic_ns >= 0, "monotonic_ns=%lld", (long long)monotonic_ns);
    if (atomic_load(&clock->fixed_monotonic_ns) < 0) {
        atomic_store(&clock->base_wall_ns, manual_wall_ns(&clock->clock));
        atomic_store(&clock->base_monotonic_ns, monotonic_ns);
    }
    atomic_store(&clock->fixed_monotonic_ns, monotonic_ns);
}
