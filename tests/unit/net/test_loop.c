/* The loop: posting from threads, timers on the injected clock, stopping. */
#include "support/testing.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "net/loop.h"

#define POSTERS_COUNT 4
#define POSTS_COUNT 20000

struct post {
    struct loop_task task;
    struct poster *poster;
    int number;
};

struct poster {
    struct loop *loop;
    struct post *posts;
    pthread_t thread;
    int next; /* the number that must come next: order is kept per thread */
};

static int posts_left;
static struct loop *posts_loop;

static void on_post(struct loop_task *task)
{
    struct post *post = CONTAINER_OF(task, struct post, task);
    assert_int_equal(post->number, post->poster->next);
    post->poster->next++;
    if (--posts_left == 0)
        loop_stop(posts_loop);
}

static void *post_all(void *context)
{
    struct poster *poster = context;
    for (int i = 0; i < POSTS_COUNT; i++) {
        poster->posts[i] = (struct post){ .task = { .function = on_post }, .poster = poster, .number = i };
        loop_post(poster->loop, &poster->posts[i].task);
    }
    return NULL;
}

static void posts_arrive_once_and_in_order(void **state)
{
    (void)state;
    struct poster posters[POSTERS_COUNT] = { { .next = 0 } };
    assert_ok(loop_new(clock_system(), &posts_loop));
    posts_left = POSTERS_COUNT * POSTS_COUNT;
    for (int i = 0; i < POSTERS_COUNT; i++) {
        posters[i].loop = posts_loop;
        posters[i].posts = calloc(POSTS_COUNT, sizeof *posters[i].posts);
        assert_int_equal(pthread_create(&posters[i].thread, NULL, post_all, &posters[i]), 0);
    }
    loop_run(posts_loop);
    for (int i = 0; i < POSTERS_COUNT; i++) {
        pthread_join(posters[i].thread, NULL);
        assert_int_equal(posters[i].next, POSTS_COUNT);
        free(posters[i].posts);
    }
    loop_free(posts_loop);
}

static void posts_after_the_end_still_run(void **state)
{
    (void)state;
    struct poster poster = { .next = 0 };
    struct post post = { .task = { .function = on_post }, .poster = &poster, .number = 0 };
    assert_ok(loop_new(clock_system(), &posts_loop));
    posts_left = 2;
    loop_stop(posts_loop);
    loop_run(posts_loop);
    loop_post(posts_loop, &post.task);
    loop_free(posts_loop);
    assert_int_equal(poster.next, 1);
}

static void a_loop_that_never_ran_can_be_freed(void **state)
{
    (void)state;
    struct loop *loop;
    assert_ok(loop_new(clock_system(), &loop));
    struct loop_timer *timer = loop_timer_new(loop, NULL, NULL);
    loop_timer_start(timer, 1000);
    loop_free(loop); /* the timer with it */
}

struct ticking {
    struct clock_manual clock;
    struct loop *loop;
    struct loop_timer *timer, *other;
    int fired_count;
};

static void on_fire(void *context)
{
    struct ticking *t = context;
    if (++t->fired_count == 3) {
        loop_timer_free(t->timer);
        loop_timer_free(t->other);
        loop_stop(t->loop);
    } else {
        loop_timer_start(t->timer, 5);
    }
}

static void on_never(void *context)
{
    (void)context;
    fail_msg("a stopped timer fired");
}

static void timers_fire_and_rearm(void **state)
{
    (void)state;
    struct ticking t = { .fired_count = 0 };
    clock_manual_init(&t.clock, 0, 1000);
    assert_ok(loop_new(&t.clock.clock, &t.loop));
    t.timer = loop_timer_new(t.loop, on_fire, &t);
    t.other = loop_timer_new(t.loop, on_never, &t);
    int64_t start_ns = clock_monotonic_ns(&t.clock.clock);
    loop_timer_start(t.timer, 5);
    loop_timer_start(t.other, 6);
    loop_timer_stop(t.other);
    loop_run(t.loop);
    assert_true(clock_monotonic_ns(&t.clock.clock) - start_ns >= 15 * NS_PER_MS); /* never early */
    assert_int_equal(t.fired_count, 3);
    loop_free(t.loop);
}

static void *advance(void *context)
{
    struct ticking *t = context;
    usleep(100000);
    for (int i = 0; i < 3; i++) {
        clock_manual_set_monotonic(&t->clock, (i + 2) * NS_PER_SECOND);
        usleep(100000);
    }
    return NULL;
}

static void timers_follow_the_injected_clock(void **state)
{
    (void)state;
    struct ticking t = { .fired_count = 0 };
    pthread_t thread;
    clock_manual_init(&t.clock, 0, 0);
    clock_manual_set_monotonic(&t.clock, NS_PER_SECOND);
    assert_ok(loop_new(&t.clock.clock, &t.loop));
    t.timer = loop_timer_new(t.loop, on_fire, &t);
    t.other = loop_timer_new(t.loop, on_never, &t);
    loop_timer_start(t.timer, 5);
    assert_int_equal(pthread_create(&thread, NULL, advance, &t), 0);
    loop_run(t.loop);
    pthread_join(thread, NULL);
    assert_int_equal(t.fired_count, 3);
    loop_free(t.loop);
}

struct signals {
    struct loop *loop;
    int numbers[4];
    int count;
};

static void on_signal(void *context, int number)
{
    struct signals *s = context;
    s->numbers[s->count++] = number;
    if (s->count == 1)
        (void)kill(getpid(), SIGTERM);
    else
        loop_stop(s->loop);
}

static void signals_arrive_on_the_loop(void **state)
{
    (void)state;
    struct signals s = { .count = 0 };
    assert_ok(loop_new(clock_system(), &s.loop));
    assert_ok(loop_watch_signals(s.loop, on_signal, &s));
    (void)kill(getpid(), SIGPIPE); /* ignored */
    (void)kill(getpid(), SIGHUP);
    loop_run(s.loop);
    assert_int_equal(s.count, 2);
    assert_int_equal(s.numbers[0], SIGHUP);
    assert_int_equal(s.numbers[1], SIGTERM);
    loop_free(s.loop);
}

static void ask_twice(void *context, int number)
{
    (void)context;
    (void)kill(getpid(), number);
}

static void the_second_signal_ends_the_process(void **state)
{
    (void)state;
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct loop *loop;
        if (loop_new(clock_system(), &loop) != ERROR_OK || loop_watch_signals(loop, ask_twice, NULL) != ERROR_OK)
            _exit(1);
        (void)kill(getpid(), SIGINT);
        loop_run(loop);
        _exit(2);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 128 + SIGINT);
}

TESTS(cmocka_unit_test(posts_arrive_once_and_in_order), cmocka_unit_test(posts_after_the_end_still_run),
      cmocka_unit_test(a_loop_that_never_ran_can_be_freed), cmocka_unit_test(timers_fire_and_rearm),
      cmocka_unit_test(timers_follow_the_injected_clock), cmocka_unit_test(signals_arrive_on_the_loop),
      cmocka_unit_test(the_second_signal_ends_the_process))
