/* The time that commits are given: the wall clock, but never before a time already given out.
 *
 * A clock that was set back: reported time stands still until the clock has caught up, so no hour that ended gets
 * more usage. It is logged and counted once each time. A clock that jumped ahead: nothing can tell a mistake from a
 * machine that was asleep, so the time is believed. What an operator wants to know: it happened, and since a commit
 * with that time is for good, reported time stands still there until the real time has come, unless the newest backup
 * is restored. So a jump of more than a day against the monotonic clock, while running, is worth a warning that says
 * so. Across restarts it can't be told from having been switched off. Not thread-safe: the writer's mutex guards it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

struct reported_time {
    const struct clock *clock;
    int64_t newest_ns;             /* given out, or promised not to be gone behind */
    int64_t wall_ns, monotonic_ns; /* when it was last looked at; INT64_MIN: never */
    bool behind;                   /* the clock was last seen behind newest_ns */
    int64_t went_back_count;
};

void reported_time_init(struct reported_time *time, const struct clock *clock, int64_t newest_ns);
/* What a commit would be given now. */
int64_t reported_time_now(const struct reported_time *time);
/* The time of a commit. */
int64_t reported_time_take(struct reported_time *time);
/* Notices and logs what has become of the clock; about every second and with each commit. */
void reported_time_look(struct reported_time *time);
/* From now on no commit is given an earlier time. */
void reported_time_reach(struct reported_time *time, int64_t instant_ns);
