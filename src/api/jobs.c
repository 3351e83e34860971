/* The ways off the loop and back: reads on a worker, writes by the store's writer. A job lives in the arena of
 * its exchange, which lives until it is answered, so there is nothing to free. */
#include "api/api_internal.h"
#include "base/check.h"

void read_job_answer(struct read_job *job)
{
    if (job->error != ERROR_OK) {
        buffer_free(&job->body);
        if (job->info.code == ERROR_OK)
            error_set(&job->info, job->error, NULL, NULL);
        respond_info(job->exchange, &job->info);
        return;
    }
    http_respond(job->exchange, job->status != 0 ? job->status : 200,
                 job->content_type.len > 0 ? job->content_type : MEDIA_JSON, &job->body);
}

static void back_on_loop(struct loop_task *task)
{
    struct read_job *job = CONTAINER_OF(task, struct read_job, task);
    if (job->answer != NULL)
        job->answer(job);
    else
        read_job_answer(job);
}

static void run_on_worker(void *context, size_t thread_index)
{
    (void)thread_index;
    struct read_job *job = context;
    if (job->without_snapshot) {
        job->error = job->read(job, NULL);
    } else {
        struct kv_txn *txn;
        job->error = store_read_begin(job->api->options.store, &txn);
        if (job->error == ERROR_OK) {
            job->error = job->read(job, txn);
            store_read_end(txn);
        }
        if (job->info.code == ERROR_OK)
            job->error = error_of_store(job->error);
    }
    job->task.function = back_on_loop;
    loop_post(job->api->options.loop, &job->task);
}

static void submit(struct read_job *job)
{
    /* Once submitted the job is the worker's: it may be over already. */
    err_t error = workers_submit(job->api->options.workers, run_on_worker, job);
    if (error != ERROR_OK) {
        job->error = error;
        job->task.function = back_on_loop;
        loop_post(job->api->options.loop, &job->task);
    }
}

void read_job_start(struct read_job *job, struct http_exchange *exchange)
{
    job->exchange = exchange;
    job->api = api_of(exchange);
    submit(job);
}

/* On the writer thread; the pool takes jobs from any thread. */
static void settled(struct store_waiter *waiter)
{
    submit(CONTAINER_OF(waiter, struct read_job, waiter));
}

void read_job_start_settled(struct read_job *job, struct http_exchange *exchange, int64_t end_ns)
{
    job->exchange = exchange;
    job->api = api_of(exchange);
    job->waiter.settled = settled;
    if (store_settled(job->api->options.store, end_ns, &job->waiter))
        submit(job);
}

/* --- writes --- */

static void write_back_on_loop(struct loop_task *task)
{
    struct write_call *call = CONTAINER_OF(task, struct write_call, task);
    if (call->job->error != ERROR_OK)
        respond_error(call->exchange, error_of_store(call->job->error), NULL, NULL);
    else
        call->answer(call);
}

/* A store job that knows its call. */
struct called_job {
    struct store_job job; /* first member */
    struct write_call *call;
};

static err_t run_called(struct store_write *write, struct store_job *job)
{
    struct store_job *wanted = ((struct called_job *)job)->call->job;
    return wanted->run(write, wanted);
}

static void called_done(struct store_job *job)
{
    struct write_call *call = ((struct called_job *)job)->call;
    call->job->error = job->error;
    call->task.function = write_back_on_loop;
    loop_post(api_of(call->exchange)->options.loop, &call->task);
}

void write_call_start(struct write_call *call, struct store_job *job, struct http_exchange *exchange,
                      void (*answer)(struct write_call *call))
{
    call->job = job;
    call->exchange = exchange;
    call->answer = answer;
    struct called_job *called = arena_zalloc(http_arena(exchange), sizeof *called);
    if (called == NULL) {
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
        return;
    }
    called->job = (struct store_job){ .run = run_called, .done = called_done, .weight = job->weight };
    called->call = call;
    err_t error = store_submit(api_of(exchange)->options.store, &called->job);
    if (error != ERROR_OK)
        respond_error(exchange, error_of_store(error), NULL, NULL);
}
