/* A job that holds up the writer in the middle of its transaction until the test lets it go on. */
#pragma once

#include <semaphore.h>

#include "store/write.h"
#include "support/testing.h"

struct gate_job {
    struct store_job job; /* first member */
    sem_t entered, let_go, finished;
};

static inline err_t gate_run(struct store_write *write, struct store_job *job)
{
    struct gate_job *gate = (struct gate_job *)job;
    (void)write;
    sem_post(&gate->entered);
    sem_wait(&gate->let_go);
    return ERROR_OK;
}

static inline void gate_done(struct store_job *job)
{
    sem_post(&((struct gate_job *)job)->finished);
}

/* Returns once the writer is inside. */
static inline void gate_close(struct gate_job *gate, struct store *store)
{
    *gate = (struct gate_job){ .job = { .run = gate_run, .done = gate_done, .weight = 1 } };
    sem_init(&gate->entered, 0, 0);
    sem_init(&gate->let_go, 0, 0);
    sem_init(&gate->finished, 0, 0);
    assert_ok(store_submit(store, &gate->job));
    sem_wait(&gate->entered);
}

/* Returns once the transaction is over. */
static inline void gate_open(struct gate_job *gate)
{
    sem_post(&gate->let_go);
    sem_wait(&gate->finished);
    assert_int_equal(gate->job.error, ERROR_OK);
    sem_destroy(&gate->entered);
    sem_destroy(&gate->let_go);
    sem_destroy(&gate->finished);
}
