/* The writer's queue: order within a lane, which lane is next, the bound on being passed, the weight of groups. */
#include "support/testing.h"

#include "store/queue.h"

#define BIG 1000

static struct store_job jobs[4096];
static size_t job_count;

static struct store_job *put(struct queue *queue, size_t weight)
{
    assert_true(job_count < COUNT_OF(jobs));
    struct store_job *job = &jobs[job_count++];
    *job = (struct store_job){ .weight = weight };
    queue_put(queue, job);
    return job;
}

static int set_up(void **state)
{
    static struct queue queue;
    job_count = 0;
    queue_init(&queue);
    *state = &queue;
    return 0;
}

#define WITH_QUEUE(function) cmocka_unit_test_setup(function, set_up)

/* Takes a group and checks that it is 'count' jobs from 'first' on, of those put in that order. */
static void assert_group(struct queue *queue, const struct store_job *first, size_t count)
{
    struct store_job *group = queue_take(queue);
    assert_ptr_equal(group, count > 0 ? first : NULL);
    for (size_t i = 0; i < count; i++, group = group->next)
        assert_ptr_equal(group, first + i);
    assert_null(group);
}

static void jobs_of_a_lane_come_in_order(void **state)
{
    struct queue *queue = *state;
    assert_group(queue, NULL, 0);
    for (int round = 0; round < 3; round++) {
        struct store_job *small = put(queue, 1);
        for (int i = 1; i < 5; i++)
            put(queue, QUEUE_SMALL_WEIGHT_MAX);
        struct store_job *big = put(queue, QUEUE_SMALL_WEIGHT_MAX + 1);
        put(queue, BIG);
        assert_int_equal(queue->jobs, 7);
        assert_int_equal(queue->weight, 1 + 4 * QUEUE_SMALL_WEIGHT_MAX + QUEUE_SMALL_WEIGHT_MAX + 1 + BIG);
        assert_group(queue, small, 5);
        assert_group(queue, big, 2);
        assert_group(queue, NULL, 0);
        assert_int_equal(queue->jobs + queue->weight, 0);
    }
}

static void a_small_job_passes_big_ones_that_came_before(void **state)
{
    struct queue *queue = *state;
    for (int i = 0; i < 30; i++)
        put(queue, BIG);
    struct store_job *small = put(queue, 1);
    assert_group(queue, small, 1);
}

/* Small jobs never cease to come: each big one still starts after the groups that the header promises. */
static void a_big_job_is_passed_by_a_bounded_number_of_groups(void **state)
{
    struct queue *queue = *state;
    struct store_job *big[10];
    for (size_t k = 0; k < COUNT_OF(big); k++)
        big[k] = put(queue, STORE_GROUP_WEIGHT_MAX);
    size_t groups = 0;
    for (size_t k = 0; k < COUNT_OF(big); k++) {
        struct store_job *group;
        do {
            put(queue, 1);
            group = queue_take(queue);
            groups++;
        } while (group != big[k]);
        assert_true(groups - 1 <= k + (k + 1) * QUEUE_PASSES_MAX);
    }
}

static void groups_are_bounded_by_weight(void **state)
{
    struct queue *queue = *state;
    struct store_job *a = put(queue, STORE_GROUP_WEIGHT_MAX - 20);
    put(queue, 20);
    struct store_job *c = put(queue, 3 * STORE_GROUP_WEIGHT_MAX), *d = put(queue, 20),
                     *e = put(queue, STORE_GROUP_WEIGHT_MAX);
    assert_group(queue, a, 2);
    assert_group(queue, c, 1);
    assert_group(queue, d, 1);
    assert_group(queue, e, 1);
    struct store_job *small = put(queue, 1);
    for (int i = 1; i < STORE_GROUP_WEIGHT_MAX + 1; i += 2)
        put(queue, 2);
    assert_group(queue, small, 1 + (STORE_GROUP_WEIGHT_MAX - 1) / 2);
}

/* Who comes next waits for the group under way, so while small jobs come it is a short one. */
static void big_groups_are_light_while_small_jobs_come(void **state)
{
    struct queue *queue = *state;
    size_t light = QUEUE_GROUP_WEIGHT_SHARED / BIG, full = STORE_GROUP_WEIGHT_MAX / BIG;
    assert_true(light < full);
    struct store_job *small = put(queue, 1), *big = put(queue, BIG);
    for (size_t i = 1; i < light * QUEUE_SHARED_GROUPS + full; i++)
        put(queue, BIG);
    assert_group(queue, small, 1);
    for (size_t i = 0; i < QUEUE_SHARED_GROUPS; i++, big += light)
        assert_group(queue, big, light);
    assert_group(queue, big, full);
}

TESTS(WITH_QUEUE(jobs_of_a_lane_come_in_order), WITH_QUEUE(a_small_job_passes_big_ones_that_came_before),
      WITH_QUEUE(a_big_job_is_passed_by_a_bounded_number_of_groups), WITH_QUEUE(groups_are_bounded_by_weight),
      WITH_QUEUE(big_groups_are_light_while_small_jobs_come))
