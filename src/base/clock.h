/* The injected clock. Wall time (UTC) decides hours and days, monotonic time decides timeouts.
 * Nothing outside this file and tests asks the operating system for the time. Reads are thread-safe. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

struct clock {
    int64_t (*wall_ns)(const struct clock *clock);
    int64_t (*monotonic_ns)(const struct clock *clock);
};

/* The operating system's clock; static, never freed. */
const struct clock *clock_system(void);

static inline int64_t clock_wall_ns(const struct clock *clock)
{
    return clock->wall_ns(clock);
}
static inline int64_t clock_monotonic_ns(const struct clock *clock)
{
    return clock->monotonic_ns(clock);
}

/* A wall clock that tests and the demo steer: it stands at base_wall_ns and runs at 'speed' simulated
 * seconds per monotonic second from there (0: paused). Monotonic time stays the system's, or, for
 * tests, the manual value. Changing it is for one thread; reading for all. */
struct clock_manual {
    struct clock clock; /* first member: a struct clock_manual is a struct clock */
    _Atomic int64_t base_wall_ns;
    _Atomic int64_t base_monotonic_ns;
    _Atomic int64_t speed_permille;     /* 1000: real time */
    _Atomic int64_t fixed_monotonic_ns; /* negative: the system's */
};

/* Starts at wall_ns with the given speed. */
void clock_manual_init(struct clock_manual *clock, int64_t wall_ns, int64_t speed_permille);
void clock_manual_advance(struct clock_manual *clock, int64_t delta_ns);
void clock_manual_set_wall(struct clock_manual *clock, int64_t wall_ns);
/* Tests: freeze and step the monotonic side. */
void clock_manual_set_monotonic(struct clock_manual *clock, int64_t monotonic_ns);
