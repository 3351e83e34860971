/* The store against a naive model: see world.h. The simulation (tests/sim) does the same over a disk with faults. */
#include "usage/world.h"

static void the_store_agrees_with_the_model(void **state)
{
    (void)state;
    struct prng prng = test_prng("unit-usage-model");
    for (int i = 0; i < (test_is_long() ? 3000 : 30); i++) {
        struct world_options options = { .seed = prng_next(&prng), .steps = 120 };
        world_run(&options);
    }
}

TESTS(cmocka_unit_test(the_store_agrees_with_the_model))
