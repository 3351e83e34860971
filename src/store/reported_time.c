/* Reported time and what is said about the clock it comes from. */
#include "store/reported_time.h"

#include "base/instant.h"
#include "base/log.h"

/* Steps below this are the work of a time service and not worth a line, though they are counted. */
#define BEHIND_LOGGED_NS NS_PER_SECOND
#define AHEAD_LOGGED_NS NS_PER_DAY

void reported_time_init(struct reported_time *time, const struct clock *clock, int64_t newest_ns)
{
    *time = (struct reported_time){
        .clock = clock, .newest_ns = newest_ns, .wall_ns = INT64_MIN, .monotonic_ns = INT64_MIN
    };
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

int64_t reported_time_now(const struct reported_time *time)
{
    return later(clock_wall_ns(time->clock), time->newest_ns);
}

int64_t reported_time_take(struct reported_time *time)
{
    reported_time_look(time);
    time->newest_ns = later(time->wall_ns, time->newest_ns);
    return time->newest_ns;
}

void reported_time_reach(struct reported_time *time, int64_t instant_ns)
{
    time->newest_ns = later(instant_ns, time->newest_ns);
}

static void notice_behind(struct reported_time *time, int64_t wall_ns)
{
    bool behind = wall_ns < time->newest_ns;
    if (behind && !time->behind) {
        time->went_back_count++;
        if (time->newest_ns - wall_ns >= BEHIND_LOGGED_NS)
            log_warning("store", "the clock was set back; reported time stands still until it has caught up",
                        LOG_INT("behind_ms", (time->newest_ns - wall_ns) / NS_PER_MS));
    }
    time->behind = behind;
}

static void notice_ahead(const struct reported_time *time, int64_t wall_ns, int64_t monotonic_ns)
{
    if (time->wall_ns == INT64_MIN)
        return;
    int64_t ahead_ns = (wall_ns - time->wall_ns) - (monotonic_ns - time->monotonic_ns);
    bool caught_up = wall_ns < time->newest_ns + AHEAD_LOGGED_NS; /* it had been set back before */
    if (ahead_ns > AHEAD_LOGGED_NS && !caught_up)
        log_warning("store",
                    "the clock jumped ahead; if it is wrong, stop now, set it right and restore the newest backup: "
                    "reported time never goes back",
                    LOG_INT("ahead_ms", ahead_ns / NS_PER_MS));
}

void reported_time_look(struct reported_time *time)
{
    int64_t wall_ns = clock_wall_ns(time->clock), monotonic_ns = clock_monotonic_ns(time->clock);
    notice_behind(time, wall_ns);
    notice_ahead(time, wall_ns, monotonic_ns);
    time->wall_ns = wall_ns;
    time->monotonic_ns = monotonic_ns;
}
