/* The demo's clock: a clock_manual that stands still during the set-up and can be set going. Changes are for one
 * thread (the loop thread once the server runs), reading for all. */
#pragma once

#include <stdint.h>

#include "base/clock.h"

#define DEMO_SPEED_MAX 100000

struct demo_clock {
    struct clock_manual manual;
    int64_t speed; /* simulated seconds per second; 0: only when told */
};

/* Stands at now_ns. */
static inline void demo_clock_init(struct demo_clock *clock, int64_t now_ns, int64_t speed)
{
    clock_manual_init(&clock->manual, now_ns, 0);
    clock->speed = speed;
}

/* From here on it runs at its speed. While it stands, the monotonic base is not looked at (it is multiplied by 0), so
 * no reader sees half of the change. */
static inline void demo_clock_go(struct demo_clock *clock)
{
    atomic_store(&clock->manual.base_monotonic_ns, clock_monotonic_ns(clock_system()));
    atomic_store(&clock->manual.speed_permille, clock->speed * 1000);
}

static inline int64_t demo_clock_now(const struct demo_clock *clock)
{
    return clock_wall_ns(&clock->manual.clock);
}

/* Time never goes back. */
static inline void demo_clock_reach(struct demo_clock *clock, int64_t instant_ns)
{
    if (demo_clock_now(clock) < instant_ns)
        clock_manual_set_wall(&clock->manual, instant_ns);
}
