/* Request k covers resources [k * batch, (k + 1) * batch) of a stamp with RESOURCES of them, hour after hour from some
 * 390 days ago on: each record is a new id, and a new row of its hour. */
#include "cli/bench_ingest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/encode.h"
#include "base/gzip.h"
#include "base/instant.h"
#include "base/json.h"
#include "base/memory.h"

#define RESOURCES 20000
#define SUBSCRIPTIONS 200
#define HOURS_BACK (390 * 24)
#define RETRY_MS 1000
#define RETRIES_IN_A_ROW_MAX 600
#define HOUR_TEXT_LEN 13 /* "2026-01-31T13" */
#define ID_LEN 32
#define NUMBER_LEN 6
#define GZIP_LEVEL 1
#define SINGLES_MEASURED_MAX ((size_t)1 << 20) /* those that come later are not measured any more */

/* Where the changing parts of a record lie. */
struct layout {
    size_t size;
    size_t id, subscription, uri_subscription, resource, start, end;
};

struct bench;

struct lane {
    struct bench *bench;
    bool single; /* posts single records as long as the batches run */
    struct buffer body, packed;
    struct loop_timer *retry_timer;
    size_t count; /* records in the body under way */
    int64_t sent_ns;
    unsigned retries_in_a_row;
};

/* Durations, as far as there is room. */
struct latencies {
    uint32_t *us;
    size_t count, capacity;
};

struct bench {
    const struct bench_ingest_options *options;
    struct bench_ingest_result *result;
    struct import_connection *connection;
    struct error_info *info;
    struct layout layout;
    struct lane *lanes;
    struct arena *arena; /* one answer */
    uint8_t run[8];      /* first half of all ids of this run */
    int64_t first_hour;
    uint64_t next_record; /* the next that no lane has taken */
    uint64_t next_single; /* counted on behind those of the batches */
    size_t lane_count, warm_count, busy_count;
    struct latencies latencies, single_latencies;
    int64_t begin_ns, first_tenth_ns, last_tenth_ns;
    uint64_t first_tenth_records, last_tenth_records; /* acknowledged when the stretch ended or began */
    double cpu_before;
    int64_t told_ns;
    bool ending;
    err_t error;
};

static int64_t now_ns(void)
{
    return clock_monotonic_ns(clock_system());
}

static double cpu_seconds(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* --- bodies --- */

static size_t offset_of(const char *record, const char *mark)
{
    const char *at = strstr(record, mark);
    REQUIREF(at != NULL, "mark '%s'", mark);
    return (size_t)(at - record);
}

/* One record of the template. Its size is the same for all, so that offsets are, too. */
static int print_record(char *out, size_t size, size_t index)
{
    static const char *const meters[] = { "fab6eb84-500b-4a09-a8ca-7358f8bbaea5",
                                          "6dab500f-a4fd-49c4-956d-229bb9c8c793",
                                          "9cd92d4c-bafd-4492-b278-bedc2de8232a",
                                          "d5f7731b-f639-404a-89d0-e46186e22c8d" };
    static const char *const sizes[] = { "Standard_D4_v2", "Standard_D3_v2", "Standard_A4_v2", "Standard_D2_v2" };
    return snprintf(out, size,
                    "{\"id\":\"IDIDIDIDIDIDIDIDIDIDIDIDIDIDIDID\",\"source\":\"Microsoft.Compute\","
                    "\"subscriptionId\":\"5ub50000-0000-4000-8000-SUBSCR000000\",\"meterId\":\"%s\","
                    "\"resourceUri\":\"/subscriptions/5ub50000-0000-4000-8000-URISUB000000/resourceGroups/rg/providers/"
                    "Microsoft.Compute/virtualMachines/vmNUMBER\",\"location\":\"east\",\"usageStartTime\":"
                    "\"STARTSTARTSTA:00:00Z\",\"usageEndTime\":\"ENDENDENDENDE:00:00Z\",\"quantity\":0.%04u,"
                    "\"tags\":{\"cc\":\"47%02u\"},\"additionalInfo\":{\"ServiceType\":\"%s\"}}",
                    meters[index % COUNT_OF(meters)], 1 + (unsigned)(index % 9999), (unsigned)(index % 40),
                    sizes[index % COUNT_OF(sizes)]);
}

static void find_layout(struct layout *layout)
{
    char record[1024];
    int length = print_record(record, sizeof record, 0);
    REQUIRE(length > 0 && length < (int)sizeof record);
    layout->size = (size_t)length;
    layout->id = offset_of(record, "IDID");
    layout->subscription = offset_of(record, "5ub50000");
    layout->uri_subscription = offset_of(record + layout->subscription + 1, "5ub50000") + layout->subscription + 1;
    layout->resource = offset_of(record, "NUMBER");
    layout->start = offset_of(record, "STARTSTARTSTA");
    layout->end = offset_of(record, "ENDENDENDENDE");
}

static err_t fill_template(struct lane *lane)
{
    const struct layout *layout = &lane->bench->layout;
    char record[1024];
    buffer_append_char(&lane->body, '[');
    size_t count = lane->single ? 1 : lane->bench->options->batch;
    for (size_t i = 0; i < count; i++) {
        int length = print_record(record, sizeof record, i);
        REQUIREF((size_t)length == layout->size, "record %zu has %d bytes, not %zu", i, length, layout->size);
        buffer_append(&lane->body, record, layout->size);
        buffer_append_char(&lane->body, ',');
    }
    return lane->body.failed ? ERROR_NO_MEMORY : ERROR_OK;
}

static void put_digits(char *out, size_t digits, uint64_t value)
{
    for (size_t i = digits; i > 0; i--) {
        out[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
}

static void put_subscription(char *guid, uint64_t number)
{
    memcpy(guid, "5ab50000-0000-4000-8000-000000", 30);
    put_digits(guid + 30, 6, number);
}

/* Overwrites what differs from request to request. */
static void patch_body(struct lane *lane, uint64_t first_record)
{
    struct bench *bench = lane->bench;
    const struct layout *layout = &bench->layout;
    char *record = lane->body.data + lane->body.start + 1;
    char start[INSTANT_TEXT_SIZE], end[INSTANT_TEXT_SIZE];
    int64_t printed_hour = -1;
    for (size_t i = 0; i < lane->count; i++, record += layout->size + 1) {
        uint64_t number = first_record + i, resource = number % RESOURCES;
        int64_t hour = bench->first_hour + (int64_t)(number / RESOURCES) % (HOURS_BACK - 24);
        uint8_t id[16];
        char text[ID_LEN + 1];
        if (hour != printed_hour) {
            instant_print(hour_start_ns(hour), start);
            instant_print(hour_start_ns(hour + 1), end);
            printed_hour = hour;
        }
        memcpy(id, bench->run, 8);
        put_u64be(id + 8, number);
        hex_encode(id, sizeof id, text);
        memcpy(record + layout->id, text, ID_LEN);
        put_subscription(record + layout->subscription, resource % SUBSCRIPTIONS);
        put_subscription(record + layout->uri_subscription, resource % SUBSCRIPTIONS);
        put_digits(record + layout->resource, NUMBER_LEN, resource);
        memcpy(record + layout->start, start, HOUR_TEXT_LEN);
        memcpy(record + layout->end, end, HOUR_TEXT_LEN);
    }
    record[-1] = ']';
}

/* --- the run --- */

static void end(struct bench *bench, err_t error)
{
    if (bench->ending)
        return;
    bench->ending = true;
    bench->error = error;
    bench->result->seconds = (double)(now_ns() - bench->begin_ns) / 1e9;
    bench->result->client_cpu_seconds = cpu_seconds() - bench->cpu_before;
    import_connection_finish(bench->connection);
}

static void on_answer(void *context, const struct client_response *response);

static struct text plain_body(const struct lane *lane)
{
    size_t size = lane->count * (lane->bench->layout.size + 1) + 1;
    return (struct text){ lane->body.data + lane->body.start, size };
}

static bool is_packed(const struct lane *lane)
{
    return lane->bench->options->gzip && !lane->single;
}

static struct text sent_body(const struct lane *lane)
{
    return is_packed(lane) ? buffer_text(&lane->packed) : plain_body(lane);
}

static void send_body(struct lane *lane)
{
    struct bench *bench = lane->bench;
    const struct http_field headers[] = {
        { TEXT("Authorization"), buffer_text(&bench->connection->authorization) },
        { TEXT("Content-Type"), TEXT("application/json") },
        { TEXT("Content-Encoding"), TEXT("gzip") },
    };
    lane->sent_ns = now_ns();
    err_t error =
        client_send(bench->connection->client, HTTP_POST, TEXT("/v1/usage?results=none"), headers,
                    is_packed(lane) ? COUNT_OF(headers) : COUNT_OF(headers) - 1, sent_body(lane), on_answer, lane);
    if (error != ERROR_OK)
        end(bench, error_set(bench->info, error, NULL, NULL));
}

static void next_single(struct lane *lane)
{
    struct bench *bench = lane->bench;
    lane->count = 1;
    patch_body(lane, bench->options->records + bench->next_single++);
    send_body(lane);
}

static void next_request(struct lane *lane)
{
    struct bench *bench = lane->bench;
    uint64_t left = bench->options->records - bench->next_record;
    if (left == 0) {
        if (--bench->busy_count == 0)
            end(bench, ERROR_OK);
        return;
    }
    lane->count = left < bench->options->batch ? (size_t)left : bench->options->batch;
    patch_body(lane, bench->next_record);
    bench->next_record += lane->count;
    buffer_clear(&lane->packed);
    if (is_packed(lane) && gzip_compress(plain_body(lane), GZIP_LEVEL, &lane->packed) != ERROR_OK) {
        end(bench, error_set(bench->info, ERROR_NO_MEMORY, NULL, NULL));
        return;
    }
    send_body(lane);
}

static void add_latency(struct latencies *latencies, int64_t duration_ns)
{
    if (latencies->count < latencies->capacity)
        latencies->us[latencies->count++] = (uint32_t)(duration_ns / 1000);
}

static void note_tenths(struct bench *bench)
{
    uint64_t done = bench->result->records, all = bench->options->records;
    if (bench->first_tenth_ns == 0 && done >= all / 10) {
        bench->first_tenth_ns = now_ns();
        bench->first_tenth_records = done;
    }
    if (bench->last_tenth_ns == 0 && done >= all - all / 10) {
        bench->last_tenth_ns = now_ns();
        bench->last_tenth_records = done;
    }
}

static void tell_progress(struct bench *bench)
{
    int64_t now = now_ns();
    if (!bench->options->progress || now - bench->told_ns < NS_PER_SECOND)
        return;
    bench->told_ns = now;
    fprintf(stderr, "\r%llu of %llu records", (unsigned long long)bench->result->records,
            (unsigned long long)bench->options->records);
    fflush(stderr);
}

/* Everything is new, so anything but "all accepted" is a fault of server or bench. */
static bool all_accepted(struct bench *bench, const struct lane *lane, struct text body)
{
    const struct json *root;
    unsigned long long accepted;
    arena_reset(bench->arena);
    if (json_parse(bench->arena, body, &root, NULL) != ERROR_OK)
        return false;
    const struct json *member = json_member(root, TEXT("accepted"));
    return member != NULL && json_type(member) == JSON_NUMBER && text_to_u64(json_number(member), &accepted) &&
           accepted == lane->count;
}

static void on_refused(struct lane *lane, const struct client_response *response)
{
    struct bench *bench = lane->bench;
    err_t error = import_connection_refusal(response, bench->info);
    bool busy = response->status == 429 || response->status == 503;
    if (!busy || ++lane->retries_in_a_row > RETRIES_IN_A_ROW_MAX) {
        end(bench, error);
        return;
    }
    bench->result->retries++;
    loop_timer_start(lane->retry_timer, import_connection_retry_ms(response, RETRY_MS));
}

static void on_answer(void *context, const struct client_response *response)
{
    struct lane *lane = context;
    struct bench *bench = lane->bench;
    if (bench->ending)
        return;
    if (response->error != ERROR_OK) {
        end(bench, error_set(bench->info, response->error, NULL, "%.200s; check that the server runs",
                             response->info.message));
        return;
    }
    if (response->status != 200) {
        on_refused(lane, response);
        return;
    }
    if (!all_accepted(bench, lane, response->body)) {
        end(bench, error_set(bench->info, ERROR_INTERNAL, NULL,
                             "the server did not accept all of a batch of new records: %.*s",
                             (int)(response->body.len < 200 ? response->body.len : 200), response->body.ptr));
        return;
    }
    lane->retries_in_a_row = 0;
    if (lane->single) {
        add_latency(&bench->single_latencies, now_ns() - lane->sent_ns);
        bench->result->singles++;
        next_single(lane);
        return;
    }
    add_latency(&bench->latencies, now_ns() - lane->sent_ns);
    bench->result->requests++;
    bench->result->records += lane->count;
    bench->result->bytes += plain_body(lane).len;
    bench->result->sent_bytes += sent_body(lane).len;
    note_tenths(bench);
    tell_progress(bench);
    next_request(lane);
}

static void on_retry(void *context)
{
    struct lane *lane = context;
    if (!lane->bench->ending)
        send_body(lane);
}

/* --- the start: all connections are open before the clock starts --- */

static void begin(struct bench *bench)
{
    bench->begin_ns = bench->told_ns = now_ns();
    bench->cpu_before = cpu_seconds();
    bench->busy_count = bench->options->connections;
    for (size_t i = 0; i < bench->lane_count; i++) {
        if (bench->lanes[i].single)
            next_single(&bench->lanes[i]);
        else
            next_request(&bench->lanes[i]);
    }
}

static void on_warm(void *context, const struct client_response *response)
{
    struct lane *lane = context;
    struct bench *bench = lane->bench;
    if (bench->ending)
        return;
    if (response->error != ERROR_OK) {
        bench->begin_ns = now_ns();
        end(bench, error_set(bench->info, response->error, NULL,
                             "%.200s; check --url and --ca, and that the server runs", response->info.message));
        return;
    }
    if (++bench->warm_count == bench->lane_count)
        begin(bench);
}

static err_t warm_up(struct bench *bench)
{
    for (size_t i = 0; i < bench->lane_count; i++) {
        err_t error = client_send(bench->connection->client, HTTP_GET, TEXT("/healthz"), NULL, 0, TEXT_NONE, on_warm,
                                  &bench->lanes[i]);
        if (error != ERROR_OK)
            return error_set(bench->info, error, NULL, NULL);
    }
    return ERROR_OK;
}

static void on_signal(void *context, int signal_number)
{
    struct bench *bench = context;
    (void)signal_number;
    bench->result->interrupted = true;
    end(bench, error_set(bench->info, ERROR_CANCELLED, NULL, "interrupted; the figures are those up to then"));
}

/* --- figures --- */

static int compare_u32(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

static double percentile_ms(const struct latencies *sorted, double share)
{
    if (sorted->count == 0)
        return 0;
    size_t index = (size_t)(share * (double)(sorted->count - 1) + 0.5);
    return (double)sorted->us[index] / 1000;
}

static void sort_latencies(struct latencies *latencies)
{
    if (latencies->count > 0)
        qsort(latencies->us, latencies->count, sizeof *latencies->us, compare_u32);
}

static double rate(uint64_t records, int64_t duration_ns)
{
    return duration_ns > 0 ? (double)records * 1e9 / (double)duration_ns : 0;
}

static void sum_up(struct bench *bench)
{
    struct bench_ingest_result *result = bench->result;
    result->record_size_bytes = bench->layout.size;
    sort_latencies(&bench->latencies);
    result->p50_ms = percentile_ms(&bench->latencies, 0.50);
    result->p99_ms = percentile_ms(&bench->latencies, 0.99);
    result->max_ms = percentile_ms(&bench->latencies, 1.0);
    sort_latencies(&bench->single_latencies);
    result->singles_p50_ms = percentile_ms(&bench->single_latencies, 0.50);
    result->singles_p99_ms = percentile_ms(&bench->single_latencies, 0.99);
    result->singles_max_ms = percentile_ms(&bench->single_latencies, 1.0);
    if (bench->first_tenth_ns != 0)
        result->first_tenth_per_second = rate(bench->first_tenth_records, bench->first_tenth_ns - bench->begin_ns);
    if (bench->last_tenth_ns != 0)
        result->last_tenth_per_second = rate(result->records - bench->last_tenth_records,
                                             bench->begin_ns + (int64_t)(result->seconds * 1e9) - bench->last_tenth_ns);
}

/* --- life --- */

static bool make_latencies(struct latencies *latencies, size_t capacity)
{
    latencies->us = memory_alloc(capacity * sizeof *latencies->us);
    latencies->capacity = capacity;
    return latencies->us != NULL;
}

static err_t make_lanes(struct bench *bench)
{
    const struct bench_ingest_options *options = bench->options;
    size_t requests_max = (size_t)(options->records / options->batch + options->connections + 1);
    bench->lane_count = options->connections + options->singles;
    bench->lanes = memory_zalloc(bench->lane_count, sizeof *bench->lanes);
    bench->arena = arena_new(4096, 0);
    if (!make_latencies(&bench->latencies, requests_max) ||
        !make_latencies(&bench->single_latencies, options->singles > 0 ? SINGLES_MEASURED_MAX : 1) ||
        bench->lanes == NULL || bench->arena == NULL)
        return ERROR_NO_MEMORY;
    for (size_t i = 0; i < bench->lane_count; i++) {
        bench->lanes[i].bench = bench;
        bench->lanes[i].single = i >= options->connections;
        bench->lanes[i].retry_timer = loop_timer_new(bench->connection->loop, on_retry, &bench->lanes[i]);
        if (bench->lanes[i].retry_timer == NULL || fill_template(&bench->lanes[i]) != ERROR_OK)
            return ERROR_NO_MEMORY;
    }
    return ERROR_OK;
}

static void free_lanes(struct bench *bench)
{
    for (size_t i = 0; bench->lanes != NULL && i < bench->lane_count; i++) {
        buffer_free(&bench->lanes[i].body);
        buffer_free(&bench->lanes[i].packed);
    }
    memory_free(bench->lanes);
    memory_free(bench->latencies.us);
    memory_free(bench->single_latencies.us);
    arena_free(bench->arena);
}

err_t bench_ingest_run(struct import_connection *connection, const struct bench_ingest_options *options,
                       struct bench_ingest_result *result, struct error_info *info)
{
    struct bench bench = { .options = options, .result = result, .connection = connection, .info = info };
    *result = (struct bench_ingest_result){ 0 };
    bench.first_hour = instant_hour(clock_wall_ns(clock_system())) - HOURS_BACK;
    random_bytes(bench.run, sizeof bench.run);
    find_layout(&bench.layout);
    err_t error = make_lanes(&bench);
    if (error != ERROR_OK)
        error_set(info, error, NULL, NULL);
    if (error == ERROR_OK && loop_watch_signals(connection->loop, on_signal, &bench) != ERROR_OK)
        error = error_set(info, ERROR_INTERNAL, NULL, "the signals could not be set up");
    if (error == ERROR_OK)
        error = warm_up(&bench);
    if (error == ERROR_OK) {
        loop_run(connection->loop);
        error = bench.error;
        sum_up(&bench);
    }
    free_lanes(&bench);
    return error;
}
