/* The simulation's program. Without arguments it is a test for `zig build test`: worlds one after the other until the
 * time is up (STAMPMETER_SIM_SECONDS, default 45; with STAMPMETER_LONG=1 1800), then worlds with planted bugs, which
 * must be found. Each world runs in a process of its own, so that a store that aborts is a finding like any other.
 *
 *   sim --world SEED [--steps N] [--lying-disk] [--double-count]     one world again, told step by step */
#include "sim/faults.h"
#include "usage/world.h"

#include <inttypes.h>

#include "base/log.h"

#define STEPS 120
#define SECONDS_DEFAULT 45
#define SECONDS_LONG 1800
/* Worlds with a planted bug until one of them must have shown it. */
#define CANARY_WORLDS_MAX 60
#define WORLD_SECONDS_MAX 120

static void reset_honest(void)
{
    faults_reset();
}

static void reset_lying(void)
{
    faults_reset();
    faults_lie_about_syncs(true);
}

static const struct world_disk honest_disk = { faults_fail_write, faults_cut_power, faults_power_was_cut,
                                               reset_honest };
static const struct world_disk lying_disk = { faults_fail_write, faults_cut_power, faults_power_was_cut, reset_lying };

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL && text[0] != '\0' ? strtoull(text, NULL, 10) : otherwise;
}

/* True when all checks of the world held. */
static bool holds(const struct world_options *options, bool quiet)
{
    (void)fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        (void)alarm(WORLD_SECONDS_MAX); /* a store that hangs is a finding, too */
        if (quiet) {
            (void)!freopen("/dev/null", "w", stdout);
            (void)!freopen("/dev/null", "w", stderr);
        }
        world_run(options);
        (void)fflush(NULL);
        _exit(0);
    }
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool worlds_hold(uint64_t seed, uint64_t seconds)
{
    struct prng prng;
    prng_seed(&prng, seed);
    int64_t end_ns = clock_monotonic_ns(clock_system()) + (int64_t)seconds * 1000000000;
    uint64_t count = 0;
    while (clock_monotonic_ns(clock_system()) < end_ns) {
        struct world_options options = { .seed = prng_next(&prng), .steps = STEPS, .disk = &honest_disk };
        if (!holds(&options, false)) {
            (void)printf("# replay: sim --world %" PRIu64 " --steps %d\n", options.seed, options.steps);
            return false;
        }
        count++;
    }
    (void)printf("# %" PRIu64 " worlds of %d steps, first seed %" PRIu64 "\n", count, STEPS, seed);
    return true;
}

static bool canary_is_found(uint64_t seed, struct world_options options)
{
    struct prng prng;
    prng_seed(&prng, seed);
    for (int i = 0; i < CANARY_WORLDS_MAX; i++) {
        options.seed = prng_next(&prng);
        options.steps = STEPS;
        if (!holds(&options, true)) {
            (void)printf("# found in world %d: sim --world %" PRIu64 "%s%s\n", i + 1, options.seed,
                         options.disk == &lying_disk ? " --lying-disk" : "",
                         options.double_count ? " --double-count" : "");
            return true;
        }
    }
    return false;
}

static int report(int number, bool good, const char *name)
{
    (void)printf("%s %d - %s\n", good ? "ok" : "not ok", number, name);
    return good ? 0 : 1;
}

static int run_as_test(void)
{
    uint64_t seed;
    random_bytes(&seed, sizeof seed);
    seed = number_from("STAMPMETER_SEED", seed);
    uint64_t seconds =
        number_from("STAMPMETER_SIM_SECONDS", number_from("STAMPMETER_LONG", 0) != 0 ? SECONDS_LONG : SECONDS_DEFAULT);
    (void)printf("1..3\n# replay all: STAMPMETER_SEED=%" PRIu64 " sim\n", seed);
    int failed = report(1, worlds_hold(seed, seconds), "the_store_agrees_with_the_model_whatever_the_disk_does");
    failed += report(2, canary_is_found(seed, (struct world_options){ .disk = &lying_disk }), "a_lying_disk_is_found");
    failed += report(3, canary_is_found(seed, (struct world_options){ .disk = &honest_disk, .double_count = true }),
                     "a_double_count_is_found");
    return failed == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct world_options options = { .steps = STEPS, .disk = &honest_disk, .verbose = true };
    bool replay = false;
    log_configure(&(struct log_options){ .level = LOG_ERROR, .fd = STDERR_FILENO });
    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "--world") == 0 && has_value) {
            options.seed = strtoull(argv[++i], NULL, 10);
            replay = true;
        } else if (strcmp(argv[i], "--steps") == 0 && has_value) {
            options.steps = (int)strtol(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--lying-disk") == 0) {
            options.disk = &lying_disk;
        } else if (strcmp(argv[i], "--double-count") == 0) {
            options.double_count = true;
        } else {
            (void)fprintf(stderr, "sim [--world SEED [--steps N] [--lying-disk] [--double-count]]\n");
            return 2;
        }
    }
    if (!replay)
        return run_as_test();
    world_run(&options);
    (void)printf("the world held\n");
    return 0;
}
