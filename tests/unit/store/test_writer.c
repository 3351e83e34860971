/* The writer: order, group commit, failures, the bounded queue, reported time, and windows that have settled. */
#include "support/store_fixture.h"

#include <pthread.h>

#include "store/journal.h"
#include "store/queue.h"
#include "support/gate.h"
#include "support/settle.h"

static int set_up(void **state)
{
    struct store_fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    store_fixture_make_with(f, (size_t)1 << 30, 100);
    *state = f;
    return 0;
}

#define WITH_QUEUE(test) cmocka_unit_test_setup_teardown(test, set_up, store_fixture_tear_down)

/* --- a job that puts a setting and remembers how it went --- */

struct put_job {
    struct store_job job; /* first member */
    struct store *store;
    char name[16];
    err_t run_error; /* what run() says */
    int runs, dones;
    bool visible_when_done;
    int64_t reported_ns;
    unsigned long long order; /* of done() among all jobs of the test */
    sem_t finished;
};

static unsigned long long done_count; /* writer thread only, read after the semaphore */

static err_t put_run(struct store_write *write, struct store_job *job)
{
    struct put_job *put = (struct put_job *)job;
    put->runs++;
    put->reported_ns = write_reported_ns(write);
    err_t error = kv_put(write_txn(write), KV_SETTINGS, text_of(put->name), TEXT("v"));
    return error != ERROR_OK ? error : put->run_error;
}

static bool is_stored(struct store *store, const char *name)
{
    struct kv_txn *txn;
    struct text value;
    assert_ok(store_read_begin(store, &txn));
    err_t error = kv_get(txn, KV_SETTINGS, text_of(name), &value);
    store_read_end(txn);
    assert_true(error == ERROR_OK || error == ERROR_NOT_FOUND);
    return error == ERROR_OK;
}

static void put_done(struct store_job *job)
{
    struct put_job *put = (struct put_job *)job;
    put->dones++;
    put->visible_when_done = is_stored(put->store, put->name);
    put->order = ++done_count;
    sem_post(&put->finished);
}

static struct put_job *put_new(struct store_fixture *f, const char *name, size_t weight, err_t run_error)
{
    struct put_job *put = calloc(1, sizeof *put);
    assert_non_null(put);
    put->job = (struct store_job){ .run = put_run, .done = put_done, .weight = weight };
    put->store = f->store;
    put->run_error = run_error;
    (void)snprintf(put->name, sizeof put->name, "%s", name);
    sem_init(&put->finished, 0, 0);
    return put;
}

static struct put_job *submit(struct store_fixture *f, const char *name, size_t weight, err_t run_error)
{
    struct put_job *put = put_new(f, name, weight, run_error);
    assert_ok(store_submit(f->store, &put->job));
    return put;
}

/* Waits for done() and frees; what was noticed is returned. */
static struct put_job finish(struct put_job *put)
{
    sem_wait(&put->finished);
    struct put_job noticed = *put;
    sem_destroy(&put->finished);
    free(put);
    assert_int_equal(noticed.dones, 1);
    return noticed;
}

static void run_one(struct store_fixture *f, const char *name)
{
    assert_int_equal(finish(submit(f, name, 1, ERROR_OK)).job.error, ERROR_OK);
}

/* --- groups --- */

static void done_is_called_when_it_is_durable_and_visible(void **state)
{
    struct put_job noticed = finish(submit(*state, "a", 1, ERROR_OK));
    assert_int_equal(noticed.job.error, ERROR_OK);
    assert_true(noticed.visible_when_done);
    assert_int_equal(noticed.runs, 1);
}

static void what_waits_goes_into_one_commit_in_order(void **state)
{
    struct store_fixture *f = *state;
    struct gate_job gate;
    struct put_job *jobs[20];
    gate_close(&gate, f->store);
    uint64_t commits = store_counters(f->store).commits;
    for (size_t i = 0; i < COUNT_OF(jobs); i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "%zu", i);
        jobs[i] = submit(f, name, 1, ERROR_OK);
    }
    assert_int_equal(store_counters(f->store).queued_jobs, COUNT_OF(jobs));
    assert_int_equal(store_counters(f->store).queued_weight, COUNT_OF(jobs));
    gate_open(&gate);
    unsigned long long order = 0;
    for (size_t i = 0; i < COUNT_OF(jobs); i++) {
        struct put_job noticed = finish(jobs[i]);
        assert_int_equal(noticed.job.error, ERROR_OK);
        assert_true(noticed.visible_when_done && noticed.order > order);
        order = noticed.order;
    }
    assert_int_equal(store_counters(f->store).commits - commits, 2); /* the gate's and this one */
    assert_int_equal(store_counters(f->store).queued_jobs, 0);
    assert_int_equal(store_counters(f->store).queued_weight, 0);
}

/* Groups are bounded by weight; the map of the queue is large enough here to see it. The gate is a small job, so those
 * after it are kept light; test_queue.c has the rest. */
static void groups_are_bounded_by_weight(void **state)
{
    struct store_fixture *f = *state;
    store_close(f->store);
    f->options.queue_weight_max = 100 * STORE_GROUP_WEIGHT_MAX;
    store_fixture_open(f);
    struct gate_job gate;
    gate_close(&gate, f->store);
    struct put_job *jobs[] = {
        submit(f, "a", QUEUE_GROUP_WEIGHT_SHARED - 20, ERROR_OK),
        submit(f, "b", 20, ERROR_OK),                         /* one group */
        submit(f, "c", STORE_GROUP_WEIGHT_MAX * 3, ERROR_OK), /* one of its own */
        submit(f, "d", 20, ERROR_OK),
        submit(f, "e", QUEUE_GROUP_WEIGHT_SHARED, ERROR_OK), /* two */
    };
    gate_open(&gate);
    for (size_t i = 0; i < COUNT_OF(jobs); i++)
        assert_int_equal(finish(jobs[i]).job.error, ERROR_OK);
    assert_int_equal(store_counters(f->store).commits, 5);
}

static void one_bad_job_does_not_take_the_others_down(void **state)
{
    struct store_fixture *f = *state;
    struct gate_job gate;
    gate_close(&gate, f->store);
    struct put_job *before = submit(f, "before", 1, ERROR_OK), *bad = submit(f, "bad", 1, ERROR_NO_MEMORY),
                   *after = submit(f, "after", 1, ERROR_OK);
    gate_open(&gate);
    struct put_job noticed = finish(before);
    assert_int_equal(noticed.job.error, ERROR_OK);
    assert_int_equal(noticed.runs, 2); /* in the group, then alone */
    noticed = finish(bad);
    assert_int_equal(noticed.job.error, ERROR_NO_MEMORY);
    assert_false(noticed.visible_when_done);
    noticed = finish(after);
    assert_int_equal(noticed.job.error, ERROR_OK);
    assert_true(noticed.visible_when_done);
    assert_true(is_stored(f->store, "before") && is_stored(f->store, "after") && !is_stored(f->store, "bad"));
}

static void a_full_disk_fails_the_group_and_shows(void **state)
{
    struct store_fixture *f = *state;
    struct gate_job gate;
    gate_close(&gate, f->store);
    struct put_job *first = submit(f, "first", 1, ERROR_INSUFFICIENT_STORAGE),
                   *second = submit(f, "second", 1, ERROR_OK);
    gate_open(&gate);
    assert_int_equal(finish(first).job.error, ERROR_INSUFFICIENT_STORAGE);
    assert_int_equal(finish(second).job.error, ERROR_INSUFFICIENT_STORAGE);
    assert_true(store_counters(f->store).degraded);
    assert_int_equal(store_counters(f->store).commit_failures, 1);
    assert_false(is_stored(f->store, "second"));
    /* Another kind of failure does not mean that there is room again. */
    assert_int_equal(finish(submit(f, "other", 1, ERROR_NO_MEMORY)).job.error, ERROR_NO_MEMORY);
    assert_true(store_counters(f->store).degraded);
    run_one(f, "third");
    assert_false(store_counters(f->store).degraded);
}

/* --- the queue --- */

static void a_full_queue_refuses(void **state)
{
    struct store_fixture *f = *state; /* weight 100 at most */
    struct gate_job gate;
    gate_close(&gate, f->store);
    struct put_job *large = submit(f, "large", 250, ERROR_OK); /* alone it may be larger than the queue */
    struct put_job *refused = put_new(f, "refused", 1, ERROR_OK);
    assert_error(store_submit(f->store, &refused->job), ERROR_TOO_MANY_REQUESTS);
    gate_open(&gate);
    finish(large);
    gate_close(&gate, f->store);
    struct put_job *a = submit(f, "a", 60, ERROR_OK), *b = submit(f, "b", 40, ERROR_OK);
    assert_error(store_submit(f->store, &refused->job), ERROR_TOO_MANY_REQUESTS);
    assert_error(store_run(f->store, &refused->job), ERROR_TOO_MANY_REQUESTS);
    gate_open(&gate);
    finish(a);
    finish(b);
    assert_int_equal(refused->runs + refused->dones, 0);
    assert_ok(store_submit(f->store, &refused->job));
    finish(refused);
}

static void *close_store(void *argument)
{
    struct store_fixture *f = argument;
    store_close(f->store);
    return NULL;
}

static void closing_runs_what_is_queued_and_takes_no_more(void **state)
{
    struct store_fixture *f = *state;
    struct gate_job gate;
    pthread_t closer;
    gate_close(&gate, f->store);
    struct put_job *queued = submit(f, "queued", 1, ERROR_OK), *late = put_new(f, "late", 99, ERROR_OK);
    assert_int_equal(pthread_create(&closer, NULL, close_store, f), 0);
    err_t error;
    /* Until the other thread gets to close, the queue takes it no more than any other job: it is too heavy. */
    late->job.weight = 100;
    while ((error = store_submit(f->store, &late->job)) == ERROR_TOO_MANY_REQUESTS)
        sched_yield();
    assert_int_equal(error, ERROR_CANCELLED);
    gate_open(&gate);
    assert_int_equal(finish(queued).job.error, ERROR_OK);
    assert_int_equal(pthread_join(closer, NULL), 0);
    assert_int_equal(late->runs + late->dones, 0);
    sem_destroy(&late->finished);
    free(late);
    store_fixture_open(f);
    assert_true(is_stored(f->store, "queued"));
    assert_false(is_stored(f->store, "late"));
}

/* --- time --- */

static int64_t reported_now(struct store_fixture *f)
{
    struct put_job noticed = finish(submit(f, "time", 1, ERROR_OK));
    assert_int_equal(noticed.job.error, ERROR_OK);
    return noticed.reported_ns;
}

static void reported_time_follows_the_clock_but_never_goes_back(void **state)
{
    struct store_fixture *f = *state;
    int64_t start_ns = test_instant(FIXTURE_NOW);
    assert_int_equal(reported_now(f), start_ns);
    clock_manual_advance(&f->clock, NS_PER_HOUR);
    assert_int_equal(store_now_ns(f->store), start_ns + NS_PER_HOUR);
    assert_int_equal(reported_now(f), start_ns + NS_PER_HOUR);
    assert_int_equal(store_counters(f->store).clock_went_back_count, 0);
    clock_manual_set_wall(&f->clock, start_ns - NS_PER_DAY);
    assert_int_equal(store_now_ns(f->store), start_ns + NS_PER_HOUR);
    assert_int_equal(reported_now(f), start_ns + NS_PER_HOUR);
    assert_int_equal(store_counters(f->store).clock_went_back_count, 1);
    clock_manual_set_wall(&f->clock, start_ns + 2 * NS_PER_HOUR);
    assert_int_equal(reported_now(f), start_ns + 2 * NS_PER_HOUR);
}

static void settled_never(struct store_waiter *waiter)
{
    (void)waiter;
    fail_msg("called although it was settled");
}

/* A reader was told that its window is complete; then the clock is set back into that window. */
static void a_window_told_complete_stays_complete_when_the_clock_goes_back(void **state)
{
    struct store_fixture *f = *state;
    int64_t end_ns = test_instant("2026-01-31T12:00:00Z");
    test_settle(f->store, end_ns);
    clock_manual_set_wall(&f->clock, end_ns - NS_PER_HOUR);
    assert_true(store_now_ns(f->store) >= end_ns);
    assert_true(reported_now(f) >= end_ns);
}

struct noting_waiter {
    struct store_waiter waiter; /* first member */
    struct store_fixture *fixture;
    const char *name;
    bool was_visible;
    sem_t called;
};

static void note_settled(struct store_waiter *waiter)
{
    struct noting_waiter *noting = (struct noting_waiter *)waiter;
    noting->was_visible = is_stored(noting->fixture->store, noting->name);
    sem_post(&noting->called);
}

/* A commit is under way whose reported time lies in the window that has just ended. */
static void a_window_is_not_settled_while_a_commit_may_still_fall_into_it(void **state)
{
    struct store_fixture *f = *state;
    struct gate_job gate;
    int64_t inside_ns = test_instant("2026-01-31T12:59:59Z"), end_ns = test_instant("2026-01-31T13:00:00Z");
    struct noting_waiter waiters[3];
    clock_manual_set_wall(&f->clock, inside_ns);
    test_settle(f->store, inside_ns);
    gate_close(&gate, f->store);
    clock_manual_set_wall(&f->clock, end_ns + NS_PER_SECOND);
    struct store_waiter unused = { .settled = settled_never };
    assert_true(store_settled(f->store, test_instant("2026-01-31T12:00:00Z"), &unused));
    assert_true(store_settled(f->store, inside_ns, &unused)); /* the end is exclusive */
    for (size_t i = 0; i < COUNT_OF(waiters); i++) {
        waiters[i] = (struct noting_waiter){ { .settled = note_settled }, f, "before", false, { { 0 } } };
        sem_init(&waiters[i].called, 0, 0);
        assert_false(store_settled(f->store, end_ns, &waiters[i].waiter));
    }
    struct put_job *later = submit(f, "later", 1, ERROR_OK);
    assert_int_equal(sem_trywait(&waiters[0].called), -1);
    gate_open(&gate);
    for (size_t i = 0; i < COUNT_OF(waiters); i++) {
        sem_wait(&waiters[i].called);
        sem_destroy(&waiters[i].called);
    }
    struct put_job noticed = finish(later);
    assert_true(noticed.reported_ns >= end_ns);
    assert_true(store_settled(f->store, end_ns, &unused));
}

/* The same when the commit under way fails and its jobs are tried again one by one. */
static void waiters_are_called_once_also_when_a_group_is_tried_again(void **state)
{
    struct store_fixture *f = *state;
    struct gate_job gates[2];
    struct noting_waiter waiter = { { .settled = note_settled }, f, "good", false, { { 0 } } };
    sem_init(&waiter.called, 0, 0);
    gate_close(&gates[0], f->store);
    struct put_job *good = submit(f, "good", 1, ERROR_OK), *bad = submit(f, "bad", 1, ERROR_IO);
    gates[1] = (struct gate_job){ .job = { .run = gate_run, .done = gate_done, .weight = 1 } };
    sem_init(&gates[1].entered, 0, 0);
    sem_init(&gates[1].let_go, 0, 0);
    sem_init(&gates[1].finished, 0, 0);
    assert_ok(store_submit(f->store, &gates[1].job)); /* behind the bad one: it is entered when tried alone */
    gate_open(&gates[0]);
    sem_wait(&gates[1].entered);
    clock_manual_advance(&f->clock, NS_PER_HOUR);
    assert_false(store_settled(f->store, test_instant("2026-01-31T13:00:00Z"), &waiter.waiter));
    gate_open(&gates[1]);
    sem_wait(&waiter.called);
    assert_true(waiter.was_visible);
    assert_int_equal(finish(good).job.error, ERROR_OK);
    assert_int_equal(finish(bad).job.error, ERROR_IO);
    assert_int_equal(sem_trywait(&waiter.called), -1);
    sem_destroy(&waiter.called);
}

/* --- several threads --- */

#define THREADS 4
#define JOBS_PER_THREAD 200

static void *submit_many(void *argument)
{
    struct store_fixture *f = argument;
    for (int i = 0; i < JOBS_PER_THREAD; i++) {
        struct put_job *put = put_new(f, "many", 1, i % 50 == 49 ? ERROR_IO : ERROR_OK);
        while (store_submit(f->store, &put->job) != ERROR_OK)
            sched_yield();
        struct put_job noticed = finish(put);
        assert_int_equal(noticed.job.error, noticed.run_error);
        (void)store_counters(f->store);
        (void)store_now_ns(f->store);
    }
    return NULL;
}

static void any_thread_may_submit(void **state)
{
    struct store_fixture *f = *state;
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, submit_many, f), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(store_counters(f->store).jobs, THREADS * JOBS_PER_THREAD);
}

TESTS(WITH_QUEUE(done_is_called_when_it_is_durable_and_visible), WITH_QUEUE(what_waits_goes_into_one_commit_in_order),
      WITH_QUEUE(groups_are_bounded_by_weight), WITH_QUEUE(one_bad_job_does_not_take_the_others_down),
      WITH_QUEUE(a_full_disk_fails_the_group_and_shows), WITH_QUEUE(a_full_queue_refuses),
      WITH_QUEUE(closing_runs_what_is_queued_and_takes_no_more),
      WITH_QUEUE(reported_time_follows_the_clock_but_never_goes_back),
      WITH_QUEUE(a_window_told_complete_stays_complete_when_the_clock_goes_back),
      WITH_QUEUE(a_window_is_not_settled_while_a_commit_may_still_fall_into_it),
      WITH_QUEUE(waiters_are_called_once_also_when_a_group_is_tried_again), WITH_QUEUE(any_thread_may_submit))
