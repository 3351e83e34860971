/* Bodies of every media type, verdict by verdict, and the answer. Promise 3: one bad record never fails its batch. */
#include "support/usage_fixture.h"

static struct text good_record(struct usage_fixture *f, const char *id)
{
    char quoted[64];
    struct post post = post_good();
    (void)snprintf(quoted, sizeof quoted, "\"%s\"", id);
    post.id = quoted;
    return usage_post_text(f, &post);
}

static struct text answer_of(struct usage_fixture *f, const struct ingest_batch *batch, enum ingest_detail detail)
{
    struct buffer out = { 0 };
    struct kv_txn *txn = store_fixture_read(&f->base);
    ingest_write_answer(batch, txn, detail, &out);
    store_read_end(txn);
    struct text answer = usage_copy(f, buffer_text(&out));
    assert_false(out.failed);
    buffer_free(&out);
    return answer;
}

static void assert_counts(const struct ingest_batch *batch, size_t accepted, size_t duplicate, size_t conflict,
                          size_t rejected)
{
    struct ingest_counts counts = ingest_counts(batch);
    if (counts.accepted != accepted || counts.duplicate != duplicate || counts.conflict != conflict ||
        counts.rejected != rejected || counts.received != accepted + duplicate + conflict + rejected)
        fail_msg("received %zu: accepted %zu, duplicate %zu, conflict %zu, rejected %zu", counts.received,
                 counts.accepted, counts.duplicate, counts.conflict, counts.rejected);
}

static void assert_rejected(const struct ingest_result *result, err_t code, const char *target)
{
    assert_verdict(result, VERDICT_REJECTED);
    assert_string_equal(error_wire_code(result->code), error_wire_code(code));
    assert_text(result->target, target);
    assert_true(result->message.len > 0);
}

/* --- media types --- */

static void media_types_are_known_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        int format; /* -1: none */
    } cases[] = {
        { "application/json", INGEST_JSON },
        { "Application/JSON; charset=utf-8", INGEST_JSON },
        { " application/x-ndjson ;x=y", INGEST_NDJSON },
        { "application/ndjson", INGEST_NDJSON },
        { "application/cloudevents+json", INGEST_CLOUDEVENT },
        { "application/cloudevents-batch+json; charset=utf-8", INGEST_CLOUDEVENTS_BATCH },
        { "application/jsonx", -1 },
        { "text/json", -1 },
        { "", -1 },
        { ";", -1 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        enum ingest_format format;
        bool known = ingest_format_of(text_of(cases[i].type), &format);
        assert_int_equal(known, cases[i].format >= 0);
        if (known)
            assert_int_equal((int)format, cases[i].format);
    }
    enum ingest_format unused;
    assert_false(ingest_format_of(TEXT_NONE, &unused));
}

static void json_is_one_record_or_many(void **state)
{
    struct usage_fixture *f = *state;
    struct text a = good_record(f, "a"), b = good_record(f, "b"), c = good_record(f, "c");
    assert_counts(usage_ingest(f, INGEST_JSON, a), 1, 0, 0, 0);
    struct text both = arena_format(f->arena, " [ %.*s ,\n%.*s ] ", TEXT_ARGS(b), TEXT_ARGS(c));
    assert_counts(usage_ingest(f, INGEST_JSON, both), 2, 0, 0, 0);
    assert_counts(usage_ingest(f, INGEST_JSON, TEXT("[]")), 0, 0, 0, 0);
    assert_usage_total(f, "12.75", 3);
}

static void a_broken_json_body_fails_as_a_whole(void **state)
{
    static const char *const frames[] = { "",
                                          " ",
                                          "[",
                                          "]",
                                          "[%.*s",
                                          "[%.*s,]",
                                          "[%.*s]x",
                                          "[%.*s,,%.*s]",
                                          "{\"id\":}",
                                          "[%.*s,{\"id\":\"x]",
                                          "[%.*s,{\"id\":01}]" };
    struct usage_fixture *f = *state;
    struct text good = good_record(f, "a");
    for (size_t i = 0; i < COUNT_OF(frames); i++) {
        struct record_limits limits = usage_limits(f);
        struct ingest_batch *batch = usage_batch(f, &limits);
        struct error_info info = { 0 };
        struct buffer body = { 0 };
        struct text rest = text_of(frames[i]), piece;
        for (bool first = true; text_cut(&rest, '%', &piece); first = false) {
            if (!first) {
                buffer_append_text(&body, good);
                piece = (struct text){ piece.ptr + 3, piece.len - 3 };
            }
            buffer_append_text(&body, piece);
        }
        assert_error(ingest_parse(batch, INGEST_JSON, buffer_text(&body), &info), ERROR_INVALID_REQUEST_CONTENT);
        assert_int_equal(info.code, ERROR_INVALID_REQUEST_CONTENT);
        assert_true(strlen(info.message) > 0);
        assert_error(ingest_parse(batch, INGEST_JSON, buffer_text(&body), NULL), ERROR_INVALID_REQUEST_CONTENT);
        buffer_free(&body);
    }
}

static void ndjson_is_a_record_a_line(void **state)
{
    struct usage_fixture *f = *state;
    struct text a = good_record(f, "a"), b = good_record(f, "b"), c = good_record(f, "c");
    struct text body = arena_format(f->arena, "\n%.*s\r\n\r\n  %.*s  \n%.*s", TEXT_ARGS(a), TEXT_ARGS(b), TEXT_ARGS(c));
    assert_counts(usage_ingest(f, INGEST_NDJSON, body), 3, 0, 0, 0);
    assert_counts(usage_ingest(f, INGEST_NDJSON, TEXT("")), 0, 0, 0, 0);
    assert_usage_total(f, "12.75", 3);
}

static void promise_3_a_malformed_line_rejects_that_line(void **state)
{
    struct usage_fixture *f = *state;
    struct text a = good_record(f, "a"), b = good_record(f, "b");
    struct text body =
        arena_format(f->arena, "%.*s\n{\"id\":\"broken\"\n[]\n%.*s\n\"x\"\nnonsense\n", TEXT_ARGS(a), TEXT_ARGS(b));
    struct ingest_batch *batch = usage_ingest(f, INGEST_NDJSON, body);
    assert_counts(batch, 2, 0, 0, 4);
    for (size_t i = 1; i < batch->count; i++)
        if (i != 3)
            assert_rejected(&batch->results[i], ERROR_INVALID_PROPERTY, "");
    assert_null(batch->results[1].record.id.ptr);
    assert_usage_total(f, "8.5", 2);
}

/* --- CloudEvents --- */

static struct text event_text(struct usage_fixture *f, const char *envelope, const char *data)
{
    return arena_format(f->arena, "{%s,\"data\":%s}", envelope, data);
}

#define ENVELOPE "\"specversion\":\"1.0\",\"type\":\"usage\",\"id\":\"e1\",\"source\":\"urn:a\",\"time\":\"not used\""

static void events_carry_records(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    post.id = post.source = NULL;
    struct text data = usage_post_text(f, &post), event = event_text(f, ENVELOPE, data.ptr);
    struct ingest_batch *batch = usage_ingest(f, INGEST_CLOUDEVENT, event);
    assert_counts(batch, 1, 0, 0, 0);
    assert_text(batch->results[0].record.id, "e1");
    assert_text(batch->results[0].record.source, "urn:a");
    /* the envelope's names win over those of the data */
    event = event_text(f, ENVELOPE, good_record(f, "other").ptr);
    struct text many = arena_format(f->arena, "[%.*s,%.*s]", TEXT_ARGS(event), TEXT_ARGS(event));
    assert_counts(usage_ingest(f, INGEST_CLOUDEVENTS_BATCH, many), 0, 2, 0, 0);
    assert_counts(usage_ingest(f, INGEST_CLOUDEVENTS_BATCH, TEXT("[]")), 0, 0, 0, 0);
}

static void bad_events_are_rejected_one_by_one(void **state)
{
    static const struct {
        const char *envelope, *target;
    } cases[] = {
        { "\"specversion\":\"1.0\",\"source\":\"urn:a\"", "id" },
        { "\"specversion\":\"1.0\",\"source\":\"urn:a\",\"id\":\"\"", "id" },
        { "\"specversion\":\"1.0\",\"source\":\"urn:a\",\"id\":7", "id" },
        { "\"specversion\":\"1.0\",\"source\":\"urn:a\",\"id\":\"a\\u0000\"", "id" },
        { "\"specversion\":\"1.0\",\"id\":\"e\"", "source" },
        { "\"specversion\":\"1.0\",\"id\":\"e\",\"source\":\"\"", "source" },
        { "\"specversion\":\"1.0\",\"id\":\"e\",\"source\":\"a\\tb\"", "source" },
        { "\"source\":\"urn:a\",\"id\":\"e\"", "specversion" },
        { "\"specversion\":\"0.3\",\"source\":\"urn:a\",\"id\":\"e\"", "specversion" },
        { "\"specversion\":\"1.0\",\"source\":\"urn:a\",\"id\":\"e\",\"id\":\"e\"", "" },
    };
    struct usage_fixture *f = *state;
    struct post post = post_good();
    struct text data = usage_post_text(f, &post);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct text event = event_text(f, cases[i].envelope, data.ptr);
        struct text body = arena_format(f->arena, "[%.*s,3,[]]", TEXT_ARGS(event));
        struct ingest_batch *batch = usage_ingest(f, INGEST_CLOUDEVENTS_BATCH, body);
        assert_counts(batch, 0, 0, 0, 3);
        assert_rejected(&batch->results[0], ERROR_INVALID_PROPERTY, cases[i].target);
    }
    struct ingest_batch *batch = usage_ingest(f, INGEST_CLOUDEVENT, event_text(f, ENVELOPE, "7"));
    assert_rejected(&batch->results[0], ERROR_INVALID_PROPERTY, "");
    assert_text(batch->results[0].record.id, "e1");
    batch = usage_ingest(f, INGEST_CLOUDEVENT, TEXT("{" ENVELOPE "}"));
    assert_rejected(&batch->results[0], ERROR_INVALID_PROPERTY, "data");
    struct record_limits limits = usage_limits(f);
    batch = usage_batch(f, &limits);
    assert_error(ingest_parse(batch, INGEST_CLOUDEVENT, TEXT("{" ENVELOPE), NULL), ERROR_INVALID_REQUEST_CONTENT);
}

static void the_envelope_has_the_same_bounds_as_the_record(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    struct text data = usage_post_text(f, &post);
    char name[RECORD_ID_SIZE_MAX + 2];
    memset(name, 'n', sizeof name);
    name[RECORD_ID_SIZE_MAX + 1] = '\0';
    struct text body =
        arena_format(f->arena, "{\"specversion\":\"1.0\",\"source\":\"s\",\"id\":\"%s\",\"data\":%s}", name, data.ptr);
    assert_rejected(&usage_ingest(f, INGEST_CLOUDEVENT, body)->results[0], ERROR_INVALID_PROPERTY, "id");
    name[RECORD_SOURCE_SIZE_MAX + 1] = '\0';
    body =
        arena_format(f->arena, "{\"specversion\":\"1.0\",\"source\":\"%s\",\"id\":\"a\",\"data\":%s}", name, data.ptr);
    assert_rejected(&usage_ingest(f, INGEST_CLOUDEVENT, body)->results[0], ERROR_INVALID_PROPERTY, "source");
}

/* --- promise 3 --- */

/* Named case "One bad record in a batch of 1,000". */
static void promise_3_one_bad_record_in_a_batch_of_1000(void **state)
{
    struct usage_fixture *f = *state;
    struct buffer body = { 0 };
    buffer_append_char(&body, '[');
    for (int i = 0; i < 1000; i++) {
        char id[32];
        struct post post = post_good();
        (void)snprintf(id, sizeof id, "\"r%d\"", i);
        post.id = id;
        post.quantity = i == 617 ? "-1" : "1";
        buffer_append_text(&body, i > 0 ? TEXT(",") : TEXT(""));
        post_write(&post, &body);
    }
    buffer_append_char(&body, ']');
    struct ingest_batch *batch = usage_ingest(f, INGEST_JSON, buffer_text(&body));
    assert_counts(batch, 999, 0, 0, 1);
    assert_rejected(&batch->results[617], ERROR_QUANTITY_OUT_OF_RANGE, "quantity");
    assert_usage_total(f, "999", 999);
    /* corrected and sent again as a whole */
    char *minus = strstr(body.data, "\"quantity\":-1");
    assert_non_null(minus);
    memcpy(minus, "\"quantity\": 1", 13);
    assert_counts(usage_ingest(f, INGEST_JSON, buffer_text(&body)), 1, 999, 0, 0);
    assert_usage_total(f, "1000", 1000);
    buffer_free(&body);
}

static void promise_3_each_kind_of_rejection_leaves_its_neighbours_alone(void **state)
{
    struct usage_fixture *f = *state;
    struct post bad[5];
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        bad[i] = post_good();
    char *large = arena_alloc(f->arena, RECORD_SIZE_BYTES_MAX + 3);
    assert_non_null(large);
    memset(large, 'x', RECORD_SIZE_BYTES_MAX + 2);
    large[0] = large[RECORD_SIZE_BYTES_MAX + 1] = '"';
    large[RECORD_SIZE_BYTES_MAX + 2] = '\0';
    bad[0].end = "\"2026-01-31T13:00:00Z\"";
    bad[1].start = "\"2020-01-31T11:00:00Z\"";
    bad[1].end = "\"2020-01-31T12:00:00Z\"";
    bad[2].quantity = "1e27";
    bad[3].additional_info = large;
    bad[4].more = ",\"id\":\"again\"";
    static const struct {
        err_t code;
        const char *target;
    } expected[] = { { ERROR_USAGE_IN_FUTURE, "usageEndTime" },
                     { ERROR_USAGE_TOO_OLD, "usageStartTime" },
                     { ERROR_QUANTITY_OUT_OF_RANGE, "quantity" },
                     { ERROR_RECORD_TOO_LARGE, "" },
                     { ERROR_INVALID_PROPERTY, "id" } };
    struct buffer body = { 0 };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "good %zu", i);
        buffer_append_text(&body, i == 0 ? TEXT("[") : TEXT(","));
        post_write(&bad[i], &body);
        buffer_append_char(&body, ',');
        buffer_append_text(&body, good_record(f, id));
    }
    buffer_append_char(&body, ']');
    struct ingest_batch *batch = usage_ingest(f, INGEST_JSON, buffer_text(&body));
    buffer_free(&body);
    assert_counts(batch, 5, 0, 0, 5);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_rejected(&batch->results[2 * i], expected[i].code, expected[i].target);
    assert_usage_total(f, "21.25", 5);
}

static void a_producer_posts_for_its_own_sources_only(void **state)
{
    static const struct text own[] = { { "Microsoft.Compute", 17 }, { "Microsoft.Storage", 17 } };
    struct usage_fixture *f = *state;
    struct record_limits limits = usage_limits(f);
    struct ingest_producer producer = { TEXT("p"), own, COUNT_OF(own) };
    static const struct {
        const char *source;
        bool allowed;
    } cases[] = { { "\"Microsoft.Compute\"", true },
                  { "\"Microsoft.Storage\"", true },
                  { "\"Microsoft.Network\"", false },
                  { "\"microsoft.compute\"", false },
                  { "\"*\"", false },
                  { "\"Microsoft.Compute \"", false } };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct post post = post_good();
        post.source = cases[i].source;
        struct ingest_batch *batch = ingest_new(f->arena, &producer, &limits, store_hash_key(f->base.store));
        assert_non_null(batch);
        assert_ok(ingest_parse(batch, INGEST_JSON, usage_post_text(f, &post), NULL));
        assert_ok(ingest_submit(batch, f->base.store, NULL));
        if (cases[i].allowed)
            assert_verdict(&batch->results[0], VERDICT_ACCEPTED);
        else
            assert_rejected(&batch->results[0], ERROR_SOURCE_NOT_ALLOWED, "source");
    }
    producer.source_count = 0; /* nobody */
    struct ingest_batch *batch = ingest_new(f->arena, &producer, &limits, store_hash_key(f->base.store));
    assert_non_null(batch);
    assert_ok(ingest_add(batch, good_record(f, "x"), NULL));
    assert_rejected(&batch->results[0], ERROR_SOURCE_NOT_ALLOWED, "source");
}

/* --- importers --- */

static void importers_add_records_themselves(void **state)
{
    struct usage_fixture *f = *state;
    struct record_limits limits = usage_limits(f);
    struct ingest_batch *batch = usage_batch(f, &limits);
    struct error_info unread = { .code = ERROR_INVALID_PROPERTY, .target = "line", .message = "line 7 is too short" };
    struct record_envelope envelope = { TEXT("given"), TEXT("importer") };
    assert_ok(ingest_add(batch, good_record(f, "own"), &envelope));
    assert_ok(ingest_add_rejected(batch, &unread));
    assert_ok(ingest_add(batch, TEXT("not json"), NULL));
    assert_ok(ingest_submit(batch, f->base.store, NULL));
    assert_counts(batch, 1, 0, 0, 2);
    assert_text(batch->results[0].record.id, "given");
    assert_rejected(&batch->results[1], ERROR_INVALID_PROPERTY, "line");
    assert_text(batch->results[1].message, "line 7 is too short");
}

/* What waits for the writer is bounded by what it will write, not by how many records it is written in. */
static void a_long_record_weighs_as_much_as_its_hours(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    struct record_limits limits = usage_limits(f);
    post.start = "\"2026-01-01T00:00:00Z\"";
    post.end = "\"2026-01-31T00:00:00Z\"";
    struct ingest_batch *batch = usage_batch(f, &limits);
    assert_ok(ingest_add(batch, usage_post_text(f, &post), NULL));
    assert_ok(ingest_add(batch, good_record(f, "short"), NULL));
    assert_ok(ingest_add(batch, TEXT("rejected"), NULL));
    assert_ok(ingest_submit(batch, f->base.store, NULL));
    assert_int_equal(batch->job.weight, 30 * 24 + 1 + 1); /* what is refused is an entry among the rejects */
}

/* --- the answer --- */

static void the_answer_lists_what_was_not_accepted(void **state)
{
    struct usage_fixture *f = *state;
    struct post new_one = post_good(), conflict = post_good(), bad = post_good(), same = post_good();
    usage_post_accepted(f, &same);
    new_one.id = "\"new \\\"1\\\"\"";
    conflict.quantity = "5";
    bad.id = "7";
    struct text body =
        arena_format(f->arena, "[%s,%s,%s,%s]", usage_post_text(f, &new_one).ptr, usage_post_text(f, &conflict).ptr,
                     usage_post_text(f, &bad).ptr, usage_post_text(f, &same).ptr);
    struct ingest_batch *batch = usage_ingest(f, INGEST_JSON, body);
    assert_text(
        answer_of(f, batch, INGEST_DETAIL_NONE),
        "{\"received\":4,\"accepted\":1,\"duplicate\":1,\"conflict\":1,\"rejected\":1,\"sequence\":\"2\",\"results\":[]}");
    struct text failed = answer_of(f, batch, INGEST_DETAIL_FAILED);
    assert_non_null(strstr(failed.ptr, "{\"index\":1,\"id\":\"record-1\",\"verdict\":\"conflict\",\"code\":"
                                       "\"UsageRecordConflict\",\"message\":"));
    assert_non_null(strstr(failed.ptr, "quantity differs\",\"target\":\"quantity\"}"));
    assert_non_null(strstr(failed.ptr, "{\"index\":2,\"id\":null,\"verdict\":\"rejected\",\"code\":\"InvalidProperty\","
                                       "\"message\":\"id must be a string\",\"target\":\"id\"}"));
    assert_non_null(strstr(failed.ptr, "{\"index\":3,\"id\":\"record-1\",\"verdict\":\"duplicate\",\"code\":"
                                       "\"UsageRecordDuplicate\""));
    assert_null(strstr(failed.ptr, "\"index\":0"));
    struct text all = answer_of(f, batch, INGEST_DETAIL_ALL);
    assert_non_null(strstr(all.ptr, "{\"index\":0,\"id\":\"new \\\"1\\\"\",\"verdict\":\"accepted\"},"));
    const struct json *parsed;
    assert_ok(json_parse(f->arena, all, &parsed, NULL));
    assert_int_equal(json_count(json_member(parsed, TEXT("results"))), 4);
}

static void only_so_many_conflicts_are_explained(void **state)
{
    enum { CONFLICTS = INGEST_CONFLICTS_EXPLAINED_MAX + 20 };
    struct usage_fixture *f = *state;
    struct post post = post_good();
    usage_post_accepted(f, &post);
    post.quantity = "5";
    struct text conflict = usage_post_text(f, &post);
    struct record_limits limits = usage_limits(f);
    struct ingest_batch *batch = usage_batch(f, &limits);
    for (int i = 0; i < CONFLICTS; i++)
        assert_ok(ingest_add(batch, conflict, NULL));
    assert_ok(ingest_submit(batch, f->base.store, NULL));
    assert_counts(batch, 0, 0, CONFLICTS, 0);
    struct text answer = answer_of(f, batch, INGEST_DETAIL_FAILED);
    size_t explained = 0;
    for (const char *at = answer.ptr; (at = strstr(at, "\"target\":\"quantity\"")) != NULL; at++)
        explained++;
    assert_int_equal(explained, INGEST_CONFLICTS_EXPLAINED_MAX);
}

static void an_empty_batch_is_answered_with_the_stores_sequence(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    usage_post_accepted(f, &post);
    struct ingest_batch *batch = usage_ingest(f, INGEST_JSON, TEXT("[]"));
    assert_int_equal(batch->last_sequence, 1);
    assert_text(
        answer_of(f, batch, INGEST_DETAIL_FAILED),
        "{\"received\":0,\"accepted\":0,\"duplicate\":0,\"conflict\":0,\"rejected\":0,\"sequence\":\"1\",\"results\":[]}");
}

/* Short memory while a body is read fails the request for a retry, and rejects no record. */
static void short_memory_fails_the_request(void **state)
{
    struct usage_fixture *f = *state;
    struct text events = arena_format(f->arena, "[%s,%s]", event_text(f, ENVELOPE, good_record(f, "a").ptr).ptr,
                                      event_text(f, ENVELOPE, good_record(f, "b").ptr).ptr);
    struct text records = arena_format(f->arena, "[%s,%s]", good_record(f, "a").ptr, good_record(f, "b").ptr);
    struct text lines = arena_format(f->arena, "%s\n%s", good_record(f, "a").ptr, good_record(f, "b").ptr);
    const struct {
        enum ingest_format format;
        struct text body;
    } cases[] = { { INGEST_JSON, records }, { INGEST_NDJSON, lines }, { INGEST_CLOUDEVENTS_BATCH, events } };
    struct ingest_producer producer = { TEXT("p"), &usage_any_source, 1 };
    struct record_limits limits = usage_limits(f);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t failures = 0;
        for (size_t limit = 256; limit < 65536; limit += 64) {
            struct arena *small = arena_new(128, limit);
            struct ingest_batch *batch =
                small != NULL ? ingest_new(small, &producer, &limits, store_hash_key(f->base.store)) : NULL;
            struct error_info info = { 0 };
            if (batch != NULL) {
                err_t error = ingest_parse(batch, cases[i].format, cases[i].body, &info);
                assert_true(error == ERROR_OK || error == ERROR_NO_MEMORY);
                assert_int_equal(info.code, error);
                failures += error != ERROR_OK;
                for (size_t r = 0; r < batch->count && error == ERROR_OK; r++)
                    assert_int_equal(batch->results[r].verdict, VERDICT_PENDING);
            }
            arena_free(small);
        }
        assert_true(failures > 10 && failures < 900);
    }
}

TESTS(cmocka_unit_test(media_types_are_known_by_name), WITH_USAGE(json_is_one_record_or_many),
      WITH_USAGE(a_broken_json_body_fails_as_a_whole), WITH_USAGE(ndjson_is_a_record_a_line),
      WITH_USAGE(promise_3_a_malformed_line_rejects_that_line), WITH_USAGE(events_carry_records),
      WITH_USAGE(bad_events_are_rejected_one_by_one), WITH_USAGE(the_envelope_has_the_same_bounds_as_the_record),
      WITH_USAGE(promise_3_one_bad_record_in_a_batch_of_1000),
      WITH_USAGE(promise_3_each_kind_of_rejection_leaves_its_neighbours_alone),
      WITH_USAGE(a_producer_posts_for_its_own_sources_only), WITH_USAGE(importers_add_records_themselves),
      WITH_USAGE(a_long_record_weighs_as_much_as_its_hours), WITH_USAGE(the_answer_lists_what_was_not_accepted),
      WITH_USAGE(only_so_many_conflicts_are_explained), WITH_USAGE(an_empty_batch_is_answered_with_the_stores_sequence),
      WITH_USAGE(short_memory_fails_the_request))
