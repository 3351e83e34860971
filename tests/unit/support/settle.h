/* Waits until a window that ends at a given time is complete for good. */
#pragma once

#include <semaphore.h>

#include "store/store.h"

struct test_waiter {
    struct store_waiter waiter; /* first member */
    sem_t called;
};

static inline void test_waiter_called(struct store_waiter *waiter)
{
    sem_post(&((struct test_waiter *)waiter)->called);
}

static inline void test_settle(struct store *store, int64_t end_ns)
{
    struct test_waiter waiter = { .waiter.settled = test_waiter_called };
    sem_init(&waiter.called, 0, 0);
    if (!store_settled(store, end_ns, &waiter.waiter))
        sem_wait(&waiter.called);
    sem_destroy(&waiter.called);
}
