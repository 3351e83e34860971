/* Unit tests of base/encode and base/guid. */
#include "support.h"

#include "base/encode.h"
#include "base/guid.h"

static void encodes_hex(void **state)
{
    (void)state;
    char out[16];
    uint8_t bytes[3];
    hex_encode("\x00\x9F\xFF", 3, out);
    assert_string_equal(out, "009fff");
    assert_true(hex_decode(TEXT("009fFF"), bytes, 3));
    assert_memory_equal(bytes, "\x00\x9F\xFF", 3);
    assert_false(hex_decode(TEXT("009ff"), bytes, 3));
    assert_false(hex_decode(TEXT("009fff0"), bytes, 3));
    assert_false(hex_decode(TEXT("009ffg"), bytes, 3));
    assert_false(hex_decode(TEXT("0 9fff"), bytes, 3));
    assert_true(hex_decode(TEXT(""), bytes, 0));
}

static void encodes_base64(void **state)
{
    (void)state;
    /* RFC 4648 section 10 */
    static const char *const vectors[][3] = { { "", "", "" },
                                              { "f", "Zg==", "Zg" },
                                              { "fo", "Zm8=", "Zm8" },
                                              { "foo", "Zm9v", "Zm9v" },
                                              { "foob", "Zm9vYg==", "Zm9vYg" },
                                              { "fooba", "Zm9vYmE=", "Zm9vYmE" },
                                              { "foobar", "Zm9vYmFy", "Zm9vYmFy" } };
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        char text[16];
        char bytes[16];
        size_t size = strlen(vectors[i][0]);
        size_t len;
        assert_int_equal(base64url_encode(vectors[i][0], size, text), BASE64URL_LEN(size));
        assert_string_equal(text, vectors[i][2]);
        assert_true(base64url_decode(text_of(vectors[i][2]), bytes, size, &len));
        assert_int_equal(len, size);
        assert_memory_equal(bytes, vectors[i][0], size);
        struct buffer encoded = { 0 };
        base64_encode(&encoded, vectors[i][0], size);
        assert_true(text_equal(buffer_text(&encoded), text_of(vectors[i][1])));
        buffer_free(&encoded);
        assert_true(base64_decode(text_of(vectors[i][1]), bytes, size, &len));
        assert_int_equal(len, size);
        assert_memory_equal(bytes, vectors[i][0], size);
        if (size > 0)
            assert_false(base64url_decode(text_of(vectors[i][2]), bytes, size - 1, &len));
    }
}

static void refuses_other_base64(void **state)
{
    (void)state;
    char out[16];
    size_t len;
    static const char *const bad_url[] = { "Z", "Zg==", "Zh", "Zm9=", "Zm+v", "Zm/v", "Zm9vY", "Zm 9", "Zm9\n" };
    static const char *const bad[] = { "Zg", "Zg=", "Zh==", "Zm9v=", "====", "=", "Zm-v", "Zm_v", "Z===", "Zg==Zg==" };
    for (size_t i = 0; i < COUNT_OF(bad_url); i++)
        assert_false(base64url_decode(text_of(bad_url[i]), out, sizeof out, &len));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(base64_decode(text_of(bad[i]), out, sizeof out, &len));
    assert_true(base64url_decode(TEXT("-_-_"), out, sizeof out, &len));
    assert_memory_equal(out, "\xFB\xFF\xBF", 3);
    assert_true(base64_decode(TEXT("+/+/"), out, sizeof out, &len));
    assert_memory_equal(out, "\xFB\xFF\xBF", 3);
}

static void encodes_percent(void **state)
{
    (void)state;
    struct arena *arena = arena_new(1024, 0);
    struct text out;
    assert_true(percent_decode(arena, TEXT("a%20b+c%3a%3A%00"), true, &out));
    assert_int_equal(out.len, 8);
    assert_memory_equal(out.ptr, "a b c::\0", 9);
    assert_true(percent_decode(arena, TEXT("a+b"), false, &out));
    assert_text(out, "a+b");
    assert_true(percent_decode(arena, TEXT(""), true, &out));
    assert_text(out, "");
    assert_false(percent_decode(arena, TEXT("%"), true, &out));
    assert_false(percent_decode(arena, TEXT("%2"), true, &out));
    assert_false(percent_decode(arena, TEXT("a%2g"), true, &out));
    assert_false(percent_decode(arena, TEXT("%%20"), true, &out));
    struct buffer b = { 0 };
    percent_encode(&b, TEXT("aZ0-._~ /\xC3\xA9%"));
    assert_text(buffer_text(&b), "aZ0-._~%20%2F%C3%A9%25");
    buffer_free(&b);
    arena_free(arena);
}

static void encodes_varints(void **state)
{
    (void)state;
    static const uint64_t values[] = { 0, 1, 127, 128, 16383, 16384, 1 << 28, UINT32_MAX, INT64_MAX, UINT64_MAX };
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        uint8_t out[VARINT_SIZE_MAX];
        uint64_t value;
        size_t size = varint_put(out, values[i]);
        const uint8_t *cursor = out;
        assert_true(varint_get(&cursor, out + size, &value));
        assert_true(value == values[i]);
        assert_ptr_equal(cursor, out + size);
        cursor = out;
        assert_false(varint_get(&cursor, out + size - 1, &value));
        assert_ptr_equal(cursor, out);
    }
    static const struct {
        uint8_t bytes[11];
        size_t size;
    } bad[] = {
        { { 0x80, 0x00 }, 2 },
        { { 0xFF, 0x80, 0x00 }, 3 },
        { { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02 }, 10 },
        { { 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01 }, 11 },
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        const uint8_t *cursor = bad[i].bytes;
        uint64_t value;
        assert_false(varint_get(&cursor, cursor + bad[i].size, &value));
    }
}

static void stores_big_endian(void **state)
{
    (void)state;
    uint8_t bytes[8];
    put_u64be(bytes, UINT64_C(0x0102030405060708));
    assert_memory_equal(bytes, "\1\2\3\4\5\6\7\10", 8);
    assert_true(get_u64be(bytes) == UINT64_C(0x0102030405060708));
    put_u32be(bytes, 0xF1F2F3F4u);
    assert_true(get_u32be(bytes) == 0xF1F2F3F4u);
    put_u16be(bytes, 0xFEDC);
    assert_true(get_u16be(bytes) == 0xFEDC);
}

static void reads_guids(void **state)
{
    (void)state;
    static const char canonical[] = "0f8fad5b-d9cb-469f-a165-70867728950e";
    struct guid guid;
    struct guid other;
    char out[GUID_TEXT_SIZE];
    assert_true(guid_parse(TEXT("0F8FAD5B-d9cb-469f-A165-70867728950e"), &guid));
    assert_memory_equal(guid.bytes, "\x0f\x8f\xad\x5b\xd9\xcb\x46\x9f\xa1\x65\x70\x86\x77\x28\x95\x0e", 16);
    guid_print(&guid, out);
    assert_string_equal(out, canonical);
    assert_true(guid_parse_loose(text_of(canonical), &other));
    assert_true(guid_equal(&guid, &other));
    assert_true(guid_parse_loose(TEXT("0f8fad5bd9cb469fa16570867728950E"), &other));
    assert_true(guid_equal(&guid, &other));
    other.bytes[15] ^= 1;
    assert_false(guid_equal(&guid, &other));
    static const char *const bad[] = { "",
                                       "0f8fad5bd9cb469fa16570867728950e",
                                       "0f8fad5b-d9cb-469f-a165-70867728950",
                                       "0f8fad5b-d9cb-469f-a165-70867728950e0",
                                       "0f8fad5b-d9cb-469f-a165-70867728950g",
                                       "0f8fad5b_d9cb-469f-a165-70867728950e",
                                       "0f8fad5b-d9cb-469f-a16-570867728950e",
                                       "{0f8fad5b-d9cb-469f-a165-70867728950}" };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(guid_parse(text_of(bad[i]), &other));
    assert_false(guid_parse_loose(TEXT("0f8fad5bd9cb469fa16570867728950x"), &other));
    assert_false(guid_parse_loose(TEXT("0f8fad5bd9cb469fa16570867728950"), &other));
}

static void makes_random_guids(void **state)
{
    (void)state;
    uint8_t ones[16];
    char out[GUID_TEXT_SIZE];
    memset(ones, 0xFF, sizeof ones);
    struct guid guid = guid_from_random(ones);
    guid_print(&guid, out);
    assert_string_equal(out, "ffffffff-ffff-4fff-bfff-ffffffffffff");
    memset(ones, 0, sizeof ones);
    guid = guid_from_random(ones);
    guid_print(&guid, out);
    assert_string_equal(out, "00000000-0000-4000-8000-000000000000");
}

TESTS(cmocka_unit_test(encodes_hex), cmocka_unit_test(encodes_base64), cmocka_unit_test(refuses_other_base64),
      cmocka_unit_test(encodes_percent), cmocka_unit_test(encodes_varints), cmocka_unit_test(stores_big_endian),
      cmocka_unit_test(reads_guids), cmocka_unit_test(makes_random_guids))
