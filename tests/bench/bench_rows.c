/* What the rows of a record cost the writer: looking its new id up, claiming it, adding its hourly, daily and rollup
 * row, merges included, against ever more known ids. Commits of 4,096 records, fully synchronous. CPU time is of this
 * thread alone; written bytes are those of its write calls.
 *
 *   ./vendor/zig build bench:rows -- FOLDER [MILLIONS] [runs|plain]      FOLDER: new, on a local disk; removed after */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/crypto.h"
#include "base/files.h"
#include "store/pending.h"
#include "store/row_sort.h"
#include "store/rows.h"

#define COMMIT 4096
#define COMMITS_AN_HOUR 256
#define HOURS_A_DAY 24
#define SUBSCRIPTIONS 1000
#define METERS 40
#define MILLION 1000000

/* As in the writer: rows of upkeep per row added. */
#define UPKEEP_PER_ROW 6

enum phase { SORT, FIND, CLAIM, COLLECT, FLUSH, UPKEEP, SYNC, PHASES };
static const char *const phase_names[PHASES] = { "sort", "find", "claim", "collect", "flush", "upkeep", "commit" };

struct bench {
    const struct rows_engine *engine;
    struct kv *kv;
    struct prng prng;
    struct row_sorter sorter;
    struct pending hourly, daily, rollup;
    uint64_t records, commits;
    uint8_t ids[COMMIT * DEDUPE_KEY_SIZE], rows[COMMIT * (DEDUPE_KEY_SIZE + DEDUPE_VALUE_SIZE)];
    uint8_t values[COMMIT * DEDUPE_VALUE_SIZE];
    bool found[COMMIT];
    /* since the last line printed */
    int64_t cpu_ns[PHASES], wall_ns, longest_ns;
    uint64_t since, found_count, written;
};

static int64_t now_ns(clockid_t id)
{
    struct timespec now;
    (void)clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Not write_bytes: that counts whole folios, which may be far larger than what was written of them. */
static uint64_t written_bytes(void)
{
    char line[128];
    unsigned long long bytes = 0;
    FILE *io = fopen("/proc/self/io", "r");
    while (io != NULL && fgets(line, sizeof line, io) != NULL)
        if (strncmp(line, "wchar: ", 7) == 0)
            (void)text_to_u64(text_trim(text_of(line + 7)), &bytes);
    if (io != NULL)
        (void)fclose(io);
    return bytes;
}

static void must(err_t error)
{
    REQUIREF(error == ERROR_OK, "%s", error_wire_code(error));
}

static void make_ids(struct bench *b)
{
    for (size_t i = 0; i < COMMIT; i++) {
        uint8_t *id = b->ids + i * DEDUPE_KEY_SIZE;
        put_u64be(id, prng_next(&b->prng));
        put_u64be(id + 8, prng_next(&b->prng));
    }
}

static void sort_ids(struct bench *b)
{
    const struct row_rank *order;
    const size_t row_size = DEDUPE_KEY_SIZE + DEDUPE_VALUE_SIZE;
    must(row_sort(&b->sorter, ROWS_DEDUPE, b->ids, DEDUPE_KEY_SIZE, COMMIT, &order));
    for (size_t i = 0; i < COMMIT; i++) {
        memcpy(b->rows + i * row_size, b->ids + order[i].index * (size_t)DEDUPE_KEY_SIZE, DEDUPE_KEY_SIZE);
        put_u64be(b->rows + i * row_size + DEDUPE_KEY_SIZE, order[i].index);
        put_u64be(b->rows + i * row_size + DEDUPE_KEY_SIZE + 8, b->records + order[i].index);
    }
    for (size_t i = 0; i < COMMIT; i++)
        memcpy(b->ids + i * DEDUPE_KEY_SIZE, b->rows + i * row_size, DEDUPE_KEY_SIZE);
}

static void add_sum(struct pending *pending, const struct row_key *row)
{
    uint8_t key[ROW_KEY_SIZE];
    row_key_encode(row, key);
    uint8_t *value = pending_value(pending, key);
    REQUIRE(value != NULL);
    struct row_sum sum = row_sum_decode(value);
    struct decimal one = decimal_from_i64(1);
    REQUIRE(decimal_add(&sum.quantity, &one, &sum.quantity));
    sum.records++;
    row_sum_encode(&sum, value);
}

/* Each hour the same resources report in an order of their own, each with two meters. */
static void collect(struct bench *b)
{
    uint32_t hour = 490000 + (uint32_t)(b->commits / COMMITS_AN_HOUR), day = hour / HOURS_A_DAY;
    for (size_t i = 0; i < COMMIT; i++) {
        uint32_t number = (uint32_t)((b->records + i) % ((uint64_t)COMMITS_AN_HOUR * COMMIT));
        uint32_t resource = (number * 2654435761u) % (COMMITS_AN_HOUR * COMMIT);
        struct row_key row = {
            hour, 1 + resource % SUBSCRIPTIONS, hour - 1, 1 + resource % METERS, resource, resource
        };
        add_sum(&b->hourly, &row);
        row.bucket = row.period = day;
        add_sum(&b->daily, &row);
        row.resource = row.instance = 0;
        add_sum(&b->rollup, &row);
    }
}

static int64_t mark(struct bench *b, enum phase phase, int64_t since_ns)
{
    int64_t now = now_ns(CLOCK_THREAD_CPUTIME_ID);
    b->cpu_ns[phase] += now - since_ns;
    return now;
}

static void seal_hour(struct bench *b, struct kv_txn *txn)
{
    uint32_t hour = 490000 + (uint32_t)(b->commits / COMMITS_AN_HOUR);
    must(b->engine->seal(txn, ROWS_HOURLY, hour));
    must(b->engine->seal(txn, ROWS_DAILY, hour / HOURS_A_DAY));
    must(b->engine->seal(txn, ROWS_ROLLUP, hour / HOURS_A_DAY));
}

static void one_commit(struct bench *b)
{
    struct kv_txn *txn;
    bool left;
    make_ids(b);
    int64_t start_ns = now_ns(CLOCK_MONOTONIC), at = now_ns(CLOCK_THREAD_CPUTIME_ID);
    sort_ids(b);
    at = mark(b, SORT, at);
    must(kv_write_begin(b->kv, &txn));
    must(b->engine->find(txn, ROWS_DEDUPE, b->ids, COMMIT, b->values, b->found));
    for (size_t i = 0; i < COMMIT; i++)
        b->found_count += b->found[i];
    at = mark(b, FIND, at);
    must(b->engine->add(txn, ROWS_DEDUPE, b->rows, COMMIT));
    at = mark(b, CLAIM, at);
    collect(b);
    at = mark(b, COLLECT, at);
    size_t rows = COMMIT + b->hourly.count + b->daily.count + b->rollup.count;
    must(pending_flush(&b->hourly, b->engine, txn));
    must(pending_flush(&b->daily, b->engine, txn));
    must(pending_flush(&b->rollup, b->engine, txn));
    at = mark(b, FLUSH, at);
    if (b->commits % COMMITS_AN_HOUR == 0)
        seal_hour(b, txn);
    must(b->engine->upkeep(txn, rows * UPKEEP_PER_ROW, false, &left));
    at = mark(b, UPKEEP, at);
    must(kv_commit(txn));
    mark(b, SYNC, at);
    int64_t wall_ns = now_ns(CLOCK_MONOTONIC) - start_ns;
    b->wall_ns += wall_ns;
    b->longest_ns = wall_ns > b->longest_ns ? wall_ns : b->longest_ns;
    b->records += COMMIT;
    b->since += COMMIT;
    b->commits++;
}

static void print_line(struct bench *b)
{
    struct kv_txn *txn;
    struct rows_stats dedupe, hourly, daily;
    int64_t sum_ns = 0;
    must(kv_read_begin(b->kv, &txn));
    must(b->engine->stats(txn, ROWS_DEDUPE, &dedupe));
    must(b->engine->stats(txn, ROWS_HOURLY, &hourly));
    must(b->engine->stats(txn, ROWS_DAILY, &daily));
    kv_read_end(txn);
    uint64_t written = written_bytes();
    printf("%6.1fM ", (double)b->records / MILLION);
    for (int phase = 0; phase < PHASES; phase++) {
        printf("%s %4.0f  ", phase_names[phase], (double)b->cpu_ns[phase] / (double)b->since);
        sum_ns += b->cpu_ns[phase];
    }
    printf(
        "| %5.0f ns CPU, %5.0f wall, %4.0f bytes a record; longest commit %3.0f ms; runs %llu %llu %llu, waiting %llu\n",
        (double)sum_ns / (double)b->since, (double)b->wall_ns / (double)b->since,
        (double)(written - b->written) / (double)b->since, (double)b->longest_ns / 1e6, (unsigned long long)dedupe.runs,
        (unsigned long long)hourly.runs, (unsigned long long)daily.runs,
        (unsigned long long)(dedupe.rows_to_merge + hourly.rows_to_merge + daily.rows_to_merge));
    (void)fflush(stdout);
    memset(b->cpu_ns, 0, sizeof b->cpu_ns);
    b->wall_ns = b->longest_ns = 0;
    b->since = 0;
    b->written = written_bytes();
}

static void open_store(struct bench *b, const char *folder)
{
    struct kv_options options = { .folder = folder, .map_size_bytes = (size_t)64 << 30 };
    struct error_info info = { 0 };
    REQUIREF(folder_create(folder, &info) == ERROR_OK && kv_open(&options, &b->kv, &info) == ERROR_OK, "%s",
             info.message);
    pending_init(&b->hourly, ROWS_HOURLY);
    pending_init(&b->daily, ROWS_DAILY);
    pending_init(&b->rollup, ROWS_ROLLUP);
    prng_seed(&b->prng, 1);
    b->written = written_bytes();
}

static void close_store(struct bench *b, const char *folder)
{
    pending_free(&b->hourly);
    pending_free(&b->daily);
    pending_free(&b->rollup);
    row_sorter_free(&b->sorter);
    kv_close(b->kv);
    const char *const names[] = { "data.mdb", "lock.mdb" };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char path[4096];
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(folder);
}

int main(int argc, char **argv)
{
    static struct bench bench;
    unsigned long long millions = 4;
    if (argc < 2 || (argc > 2 && !text_to_u64(text_of(argv[2]), &millions))) {
        (void)fprintf(stderr, "usage: bench-rows FOLDER [MILLIONS] [runs|plain]\n");
        return 2;
    }
    bench.engine = argc > 3 && strcmp(argv[3], "plain") == 0 ? &rows_plain : &rows_runs;
    open_store(&bench, argv[1]);
    uint64_t step = millions > 20 ? 5 : 1;
    for (uint64_t next = step * MILLION; bench.records < millions * MILLION;) {
        one_commit(&bench);
        if (bench.records >= next) {
            print_line(&bench);
            next += step * MILLION;
        }
    }
    REQUIRE(bench.found_count == 0);
    close_store(&bench, argv[1]);
    return 0;
}
