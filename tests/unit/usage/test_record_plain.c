/* The one pass over plain records: it must take what producers send, leave everything else to the JSON reader, and say
 * exactly what the JSON reader says of what it takes. The fuzz target asks the same of arbitrary bytes. */
#include "support/testing.h"

#include "support/records.h"
#include "usage/ingest.h"

static const uint8_t hash_key[SIPHASH_KEY_SIZE] = { 42 };
static const struct record_limits limits = { .now_ns = INT64_C(1769862600) * NS_PER_SECOND, /* 2026-01-31T12:30:00Z */
                                             .future_ns_max = 5 * NS_PER_MINUTE,
                                             .age_ns_max = 400 * NS_PER_DAY };

static int set_up(void **state)
{
    *state = arena_new((size_t)64 * 1024, 0);
    return *state == NULL;
}

static int tear_down(void **state)
{
    arena_free(*state);
    return 0;
}

#define WITH_ARENA(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

/* A copy that ends where the heap block does, so that the sanitizer sees a byte read behind it. */
static char *exact_copy(struct text text)
{
    char *copy = malloc(text.len);
    assert_non_null(copy);
    memcpy(copy, text.ptr, text.len);
    return copy;
}

/* Whether it is taken; if so it must be as the JSON reader reads it. */
static bool taken(struct arena *arena, struct text text)
{
    struct usage_record plain, record;
    struct error_info plain_info = { 0 }, info = { 0 };
    size_t size;
    err_t error;
    char *copy = exact_copy(text);
    bool is_plain = record_read_plain(arena, (struct text){ copy, text.len }, NULL, &limits, hash_key, &plain, &size,
                                      &error, &plain_info);
    if (is_plain) {
        assert_true(size <= text.len);
        struct text same = { copy, size };
        assert_int_equal(record_parse(arena, same, NULL, &limits, hash_key, &record, &info), error);
        assert_string_equal(plain_info.target, info.target);
        assert_string_equal(plain_info.message, info.message);
        assert_true(text_equal(plain.id, record.id));
    }
    if (is_plain && error == ERROR_OK) {
        assert_true(text_equal(plain.tags, record.tags) && plain.tags_is_string == record.tags_is_string);
        assert_true(text_equal(plain.additional_info, record.additional_info));
        assert_true(text_equal(plain.resource_uri, record.resource_uri));
        assert_int_equal(decimal_compare(&plain.quantity, &record.quantity), 0);
        assert_int_equal(plain.content_hash, record.content_hash);
        assert_memory_equal(&plain.identity, &record.identity, sizeof plain.identity);
        assert_memory_equal(&plain.names, &record.names, sizeof plain.names);
    }
    free(copy);
    return is_plain;
}

static bool post_taken(struct arena *arena, const struct post *post)
{
    struct buffer out = { 0 };
    post_write(post, &out);
    bool is_taken = taken(arena, buffer_text(&out));
    buffer_free(&out);
    return is_taken;
}

static void takes_what_producers_send(void **state)
{
    struct post good = post_good(), post = good;
    assert_true(post_taken(*state, &good));
    post.tags = post.additional_info = post.location = NULL;
    assert_true(post_taken(*state, &post));
    static const char *const quantities[] = { "0", "1", "1.5", "0.25", "\"1.5\"", "\"1e3\"", "\"-1\"", "123456789" };
    for (size_t i = 0; i < COUNT_OF(quantities); i++) {
        post = good;
        post.quantity = quantities[i];
        assert_true(post_taken(*state, &post));
    }
    static const char *const tags[] = {
        "{}",
        "\"\"",
        "\"a text\"",
        "{\"a\":1}",
        "{ \"a\" : 1 }",
        "{\"b\":\"2\",\"a\":\"1\"}",
        "{\"b\":true,\"a\":false,\"c\":null}",
        "{\"a\":0,\"aa\":10,\"A\":100}",
        "\n{\t\"cc\"\r\n:\n\"47 11\" }",
    };
    for (size_t i = 0; i < COUNT_OF(tags); i++) {
        post = good;
        post.tags = tags[i];
        if (!post_taken(*state, &post))
            fail_msg("%s is not taken", tags[i]);
        post = good;
        post.additional_info = tags[i];
        assert_true(post_taken(*state, &post));
    }
}

/* Wrong values in plain form are refused here, with the same words. */
static void says_what_is_wrong_in_the_same_words(void **state)
{
    struct post good = post_good();
    static const char *const texts[] = { "\"\"", "\"x\"", "\"2026-02-30T00:00:00Z\"", "\"2026-01-31T11:00:00\"" };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct post posts[] = { good, good, good, good, good, good, good };
        posts[0].id = posts[1].source = posts[2].subscription_id = posts[3].meter_id = texts[i];
        posts[4].start = posts[5].end = posts[6].quantity = texts[i];
        for (size_t p = 0; p < COUNT_OF(posts); p++)
            assert_true(post_taken(*state, &posts[p]));
    }
    struct post none = { 0 };
    assert_false(post_taken(*state, &none)); /* "{}" */
    none.id = "\"only\"";
    assert_true(post_taken(*state, &none));
}

#define SEVENTEEN_TAGS                                                                                                 \
    "{\"1\":1,\"2\":1,\"3\":1,\"4\":1,\"5\":1,\"6\":1,\"7\":1,\"8\":1,\"9\":1,\"a\":1,\"b\":1,\"c\":1,\"d\":1,"        \
    "\"e\":1,\"f\":1,\"g\":1,\"h\":1}"

static void leaves_the_rest_to_the_json_reader(void **state)
{
    struct post good = post_good(), post;
    static const char *const tags[] = {
        "{\"a\":1.5}",
        "{\"a\":-1}",
        "{\"a\":01}",
        "{\"a\":1e3}",
        "{\"a\":1,\"a\":1}",
        "{\"b\":1,\"a\":1,\"b\":1}",
        "{\"a\":{}}",
        "{\"a\":[]}",
        "{\"a\":\"\\n\"}",
        "{\"a\":\"\xC3\xA4\"}",
        "{\"a\":\"\x7F\"}",
        "{\"a\":\"\x01\"}",
        "{\"a\":tru}",
        "{\"a\"}",
        "{\"a\":1,}",
        "{,}",
        "{\"a\":1",
        "\"\\u0061\"",
        "\"\xFF\"",
        "null",
        "[]",
        "1",
        "true",
        SEVENTEEN_TAGS,
    };
    for (size_t i = 0; i < COUNT_OF(tags); i++) {
        post = good;
        post.tags = tags[i];
        if (post_taken(*state, &post))
            fail_msg("%s is taken", tags[i]);
    }
    static const char *const quantities[] = { "01",    "1.",  ".5",    "-1",    "1e3",
                                              "1.5E1", "+1",  "0x10",  "1 000", "{}",
                                              "null",  "NaN", "1.2.3", "",      "1234567890123456789" };
    for (size_t i = 0; i < COUNT_OF(quantities); i++) {
        post = good;
        post.quantity = quantities[i];
        if (post_taken(*state, &post))
            fail_msg("quantity %s is taken", quantities[i]);
    }
    static const char *const more[] = { ",\"unknown\":1", ",\"id\":\"again\"", ",", ",\"tags\"", ",\"Id\":\"x\"" };
    for (size_t i = 0; i < COUNT_OF(more); i++) {
        post = good;
        post.more = more[i];
        assert_false(post_taken(*state, &post));
    }
}

/* Cut off anywhere, nothing is read behind the end, and nothing but the whole record is taken. */
static void takes_no_part_of_a_record(void **state)
{
    struct post good = post_good();
    struct buffer out = { 0 };
    post_write(&good, &out);
    struct text whole = buffer_text(&out);
    for (size_t len = 1; len < whole.len; len++)
        assert_false(taken(*state, (struct text){ whole.ptr, len }));
    buffer_append_literal(&out, "  ,{\"id\":");
    assert_true(taken(*state, buffer_text(&out))); /* what follows is not its business */
    buffer_free(&out);
}

static void leaves_records_that_are_too_large(void **state)
{
    struct buffer out = { 0 };
    buffer_append_literal(&out, "{\"id\":\"");
    for (size_t i = 0; i < RECORD_SIZE_BYTES_MAX - 9; i++)
        buffer_append_char(&out, 'x');
    buffer_append_literal(&out, "\"}");
    assert_int_equal(buffer_len(&out), RECORD_SIZE_BYTES_MAX);
    assert_true(taken(*state, buffer_text(&out)));
    out.end -= 2;
    buffer_append_literal(&out, "x\"}");
    assert_false(taken(*state, buffer_text(&out)));
    buffer_free(&out);
}

/* Any byte of a record changed to any other: taken only if the JSON reader says the same of it. */
static void every_changed_byte_reads_the_same(void **state)
{
    struct arena *arena = *state;
    struct post good = post_good();
    struct buffer out = { 0 };
    post_write(&good, &out);
    for (size_t at = 0; at < buffer_len(&out); at++) {
        char before = out.data[at];
        for (int byte = 0; byte < 256; byte += at % 3 == 0 ? 1 : 7) {
            struct arena_mark mark = arena_mark(arena);
            out.data[at] = (char)byte;
            (void)taken(arena, buffer_text(&out));
            arena_rewind(arena, mark);
        }
        out.data[at] = before;
    }
    buffer_free(&out);
}

/* The hash of a record that is read back from the store: forms in which it was posted do not matter. */
static void stored_content_hashes_as_posted_content(void **state)
{
    static const char *const values[] = { "{}",
                                          "\"\"",
                                          "\"a \\\"text\\\" \\u00e4\\u0007\"",
                                          "{\"b\":[1.50,{\"z\":1,\"a\":2e1}],\"a\":\"\\u00fc\"}",
                                          "{\"b\":1,\"a\":2}",
                                          NULL };
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        struct post post = post_good();
        struct buffer out = { 0 };
        struct usage_record record;
        uint64_t hash;
        post.tags = values[i];
        post.additional_info = values[(i + 1) % COUNT_OF(values)];
        post_write(&post, &out);
        assert_ok(record_parse(*state, buffer_text(&out), NULL, &limits, hash_key, &record, NULL));
        struct record_content content = { .subscription = record.subscription,
                                          .meter_key = record.meter_key,
                                          .resource_key = record.resource_key,
                                          .location = record.location,
                                          .start_ns = record.start_ns,
                                          .end_ns = record.end_ns,
                                          .quantity = record.quantity,
                                          .tags = record.tags,
                                          .tags_is_string = record.tags_is_string,
                                          .additional_info = record.additional_info,
                                          .additional_info_is_string = record.additional_info_is_string };
        assert_ok(record_content_hash(*state, hash_key, &content, &hash));
        assert_int_equal(hash, record.content_hash);
        content.tags = TEXT("{");
        content.tags_is_string = false;
        assert_error(record_content_hash(*state, hash_key, &content, &hash), ERROR_STORE_CORRUPT);
        buffer_free(&out);
    }
}

/* Plain records and others in one body, in any of the two formats, keep their order and their neighbours. */
static void plain_and_other_records_share_a_body(void **state)
{
    static const struct text any = { "*", 1 };
    const struct ingest_producer producer = { TEXT("p"), &any, 1 };
    struct post plain = post_good(), other = plain;
    struct buffer body = { 0 };
    other.tags = "{\"nested\":{\"a\":1}}";
    for (int format = INGEST_JSON; format <= INGEST_NDJSON; format++) {
        buffer_clear(&body);
        for (int i = 0; i < 40; i++) {
            char id[16];
            struct post *post = i % 3 == 1 ? &other : &plain;
            (void)snprintf(id, sizeof id, "\"r%d\"", i);
            post->id = id;
            buffer_append_format(&body, "%s", format == INGEST_NDJSON ? "\n" : i == 0 ? "[ " : " ,\n");
            if (i % 10 == 9)
                buffer_append_literal(&body, "{\"id\":\"bad\"}");
            else
                post_write(post, &body);
        }
        buffer_append_format(&body, "%s", format == INGEST_NDJSON ? "\n\n" : " ]\n");
        struct ingest_batch *batch = ingest_new(*state, &producer, &limits, hash_key);
        assert_ok(ingest_parse(batch, (enum ingest_format)format, buffer_text(&body), NULL));
        assert_int_equal(batch->count, 40);
        for (int i = 0; i < 40; i++) {
            char id[16];
            (void)snprintf(id, sizeof id, i % 10 == 9 ? "bad" : "r%d", i);
            assert_text(batch->results[i].record.id, id);
            assert_int_equal(batch->results[i].parsed_verdict, i % 10 == 9 ? VERDICT_REJECTED : VERDICT_PENDING);
        }
    }
    buffer_free(&body);
}

/* A plain record does not hide that the body around it is broken. */
static void broken_bodies_of_plain_records_are_refused(void **state)
{
    static const struct text any = { "*", 1 };
    const struct ingest_producer producer = { TEXT("p"), &any, 1 };
    static const char *const patterns[] = { "[%s",  "[%s,", "[%s,]",   "[%s]]", "[%s] x",
                                            "%s x", "%s,",  "[%s %s]", "[%s}",  "[,%s]" };
    struct post good = post_good();
    struct buffer one = { 0 }, body = { 0 };
    post_write(&good, &one);
    buffer_append_char(&one, '\0');
    for (size_t i = 0; i < COUNT_OF(patterns); i++) {
        struct error_info info = { 0 };
        buffer_clear(&body);
        struct text rest = text_of(patterns[i]), piece;
        for (bool first = true; text_cut(&rest, '%', &piece); first = false) {
            if (!first)
                buffer_append(&body, one.data, buffer_len(&one) - 1);
            buffer_append(&body, piece.ptr + !first, piece.len - !first);
        }
        struct ingest_batch *batch = ingest_new(*state, &producer, &limits, hash_key);
        if (ingest_parse(batch, INGEST_JSON, buffer_text(&body), &info) != ERROR_INVALID_REQUEST_CONTENT)
            fail_msg("%s is accepted", patterns[i]);
    }
    buffer_free(&one);
    buffer_free(&body);
}

TESTS(WITH_ARENA(takes_what_producers_send), WITH_ARENA(says_what_is_wrong_in_the_same_words),
      WITH_ARENA(leaves_the_rest_to_the_json_reader), WITH_ARENA(takes_no_part_of_a_record),
      WITH_ARENA(leaves_records_that_are_too_large), WITH_ARENA(every_changed_byte_reads_the_same),
      WITH_ARENA(stored_content_hashes_as_posted_content), WITH_ARENA(plain_and_other_records_share_a_body),
      WITH_ARENA(broken_bodies_of_plain_records_are_refused))
