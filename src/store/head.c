/* Heads in their table and as text, and what one kept elsewhere proves. */
#include "store/head.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/encode.h"
#include "base/instant.h"
#include "base/json.h"
#include "store/journal.h"
#include "store/keys.h"
#include "store/store.h"

#define HEAD_KEY_SIZE 8
#define HEAD_VALUE_SIZE (12 + SHA256_SIZE + SIGNATURE_SIZE)
#define HEAD_TEXT_SIZE_MAX 2048

void head_message(const struct head *head, uint8_t out[HEAD_MESSAGE_SIZE])
{
    static const char name[] = "stampmeter-head-1";
    memcpy(out, name, 17);
    put_u64be(out + 17, head->sequence);
    put_u32be(out + 25, head->end_hour);
    put_u64be(out + 29, (uint64_t)head->reported_ns);
    memcpy(out + 37, head->hash, SHA256_SIZE);
}

err_t head_sign(struct head *head, const struct signature_key *key)
{
    uint8_t message[HEAD_MESSAGE_SIZE];
    head_message(head, message);
    return signature_sign(key, message, sizeof message, head->signature);
}

/* --- the table --- */

err_t head_put(struct kv_txn *txn, const struct head *head)
{
    uint8_t key[HEAD_KEY_SIZE], value[HEAD_VALUE_SIZE];
    put_u64be(key, head->sequence);
    put_u32be(value, head->end_hour);
    put_u64be(value + 4, (uint64_t)head->reported_ns);
    memcpy(value + 12, head->hash, SHA256_SIZE);
    memcpy(value + 12 + SHA256_SIZE, head->signature, SIGNATURE_SIZE);
    return kv_append(txn, KV_HEADS, BYTES(key), BYTES(value));
}

static err_t decode(struct text key, struct text value, struct head *head)
{
    if (key.len != HEAD_KEY_SIZE || value.len != HEAD_VALUE_SIZE)
        return ERROR_STORE_CORRUPT;
    const uint8_t *p = (const uint8_t *)value.ptr;
    head->sequence = get_u64be((const uint8_t *)key.ptr);
    head->end_hour = get_u32be(p);
    head->reported_ns = (int64_t)get_u64be(p + 4);
    memcpy(head->hash, p + 12, SHA256_SIZE);
    memcpy(head->signature, p + 12 + SHA256_SIZE, SIGNATURE_SIZE);
    return ERROR_OK;
}

err_t head_get(struct kv_txn *txn, uint64_t sequence, struct head *head)
{
    uint8_t key[HEAD_KEY_SIZE];
    struct text value;
    put_u64be(key, sequence);
    err_t error = kv_get(txn, KV_HEADS, BYTES(key), &value);
    return error == ERROR_OK ? decode(BYTES(key), value, head) : error;
}

err_t head_newest(struct kv_txn *txn, struct head *head)
{
    struct kv_cursor *cursor;
    struct text key, value;
    err_t error = kv_cursor_open(txn, KV_HEADS, &cursor);
    if (error != ERROR_OK)
        return error;
    error = kv_cursor_last(cursor, &key, &value);
    if (error == ERROR_OK)
        error = decode(key, value, head);
    kv_cursor_close(cursor);
    return error;
}

err_t head_list(struct kv_txn *txn, uint64_t after, struct head *heads, size_t max, size_t *count)
{
    *count = 0;
    if (after == UINT64_MAX)
        return ERROR_OK;
    uint8_t from[HEAD_KEY_SIZE];
    put_u64be(from, after + 1);
    struct kv_cursor *cursor;
    struct text key, value;
    err_t error = kv_cursor_open(txn, KV_HEADS, &cursor);
    if (error != ERROR_OK)
        return error;
    error = kv_cursor_seek(cursor, BYTES(from), &key, &value);
    while (error == ERROR_OK && *count < max) {
        error = decode(key, value, &heads[*count]);
        ++*count;
        if (error == ERROR_OK)
            error = kv_cursor_next(cursor, &key, &value);
    }
    kv_cursor_close(cursor);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

/* --- as text --- */

static void put_instant(struct json_writer *json, const char *name, int64_t instant_ns)
{
    char text[INSTANT_TEXT_SIZE];
    instant_print(instant_ns, text);
    json_name(json, name);
    json_put_cstring(json, text);
}

void head_write(const struct head *head, const char *key_id, struct buffer *out)
{
    char sequence[24], hash[2 * SHA256_SIZE + 1], signature[BASE64URL_LEN(SIGNATURE_SIZE) + 1];
    snprintf(sequence, sizeof sequence, "%llu", (unsigned long long)head->sequence);
    hex_encode(head->hash, sizeof head->hash, hash);
    base64url_encode(head->signature, sizeof head->signature, signature);
    struct json_writer json = json_writer(out);
    json_begin_object(&json);
    json_name(&json, "sequence");
    json_put_cstring(&json, sequence);
    put_instant(&json, "endHour", hour_start_ns(head->end_hour));
    put_instant(&json, "reportedTime", head->reported_ns);
    json_name(&json, "hash");
    json_put_cstring(&json, hash);
    json_name(&json, "signature");
    json_put_cstring(&json, signature);
    json_name(&json, "keyId");
    json_put_cstring(&json, key_id);
    json_end_object(&json);
}

static const char *read_members(const struct json *object, struct head *head, char key_id[SIGNATURE_KEY_ID_SIZE])
{
    struct text text;
    int64_t end_ns;
    size_t size;
    unsigned long long sequence;
    if (!json_member_string(object, TEXT("sequence"), &text) || !text_to_u64(text, &sequence))
        return "sequence";
    head->sequence = sequence;
    if (!json_member_string(object, TEXT("endHour"), &text) || instant_parse(text, &end_ns) != ERROR_OK ||
        end_ns % NS_PER_HOUR != 0 || end_ns < 0)
        return "endHour";
    head->end_hour = (uint32_t)instant_hour(end_ns);
    if (!json_member_string(object, TEXT("reportedTime"), &text) || instant_parse(text, &head->reported_ns) != ERROR_OK)
        return "reportedTime";
    if (!json_member_string(object, TEXT("hash"), &text) || !hex_decode(text, head->hash, sizeof head->hash))
        return "hash";
    if (!json_member_string(object, TEXT("signature"), &text) ||
        !base64url_decode(text, head->signature, sizeof head->signature, &size) || size != sizeof head->signature)
        return "signature";
    if (!json_member_string(object, TEXT("keyId"), &text) || text.len != SIGNATURE_KEY_ID_SIZE - 1)
        return "keyId";
    memcpy(key_id, text.ptr, text.len);
    key_id[text.len] = '\0';
    return NULL;
}

err_t head_read(struct text text, struct head *head, char key_id[SIGNATURE_KEY_ID_SIZE], struct error_info *info)
{
    if (text.len > HEAD_TEXT_SIZE_MAX)
        return error_set(info, ERROR_INVALID_PROPERTY, NULL, "a head is one line of JSON, this is longer");
    struct arena *arena = arena_new(4 * HEAD_TEXT_SIZE_MAX, 0);
    if (arena == NULL)
        return error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    const struct json *object;
    const char *wrong = NULL;
    err_t error = json_parse(arena, text, &object, NULL);
    if (error == ERROR_OK)
        wrong = read_members(object, head, key_id);
    arena_free(arena);
    if (error == ERROR_NO_MEMORY)
        return error_set(info, error, NULL, NULL);
    if (error != ERROR_OK)
        return error_set(info, ERROR_INVALID_PROPERTY, NULL, "a head is one line of JSON, this is none");
    if (wrong != NULL)
        return error_set(info, ERROR_INVALID_PROPERTY, wrong, "the head's %s is missing or malformed", wrong);
    return ERROR_OK;
}

/* --- a head kept elsewhere --- */

static err_t compare_with_kept(struct kv_txn *txn, const struct head *head, enum head_verdict *verdict)
{
    struct journal_reader reader;
    struct journal_entry oldest;
    struct head kept;
    err_t error = journal_open(txn, 0, &reader);
    if (error != ERROR_OK)
        return error;
    error = journal_next(&reader, &oldest);
    journal_close(&reader);
    if (error != ERROR_OK && error != ERROR_NOT_FOUND)
        return error;
    *verdict = HEAD_REWRITTEN;
    if (error == ERROR_OK && oldest.sequence <= head->sequence)
        return ERROR_OK;
    error = head_get(txn, head->sequence, &kept);
    if (error == ERROR_OK && kept.end_hour == head->end_hour && kept.reported_ns == head->reported_ns &&
        memcmp(kept.hash, head->hash, sizeof kept.hash) == 0)
        *verdict = HEAD_DROPPED;
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

static err_t judge(struct kv_txn *txn, const struct head *head, enum head_verdict *verdict)
{
    struct store_state state;
    uint8_t hash[SHA256_SIZE];
    err_t error = store_read_state(txn, &state);
    if (error != ERROR_OK)
        return error;
    if (head->sequence > state.last_sequence) {
        *verdict = HEAD_CUT;
        return ERROR_OK;
    }
    error = journal_head_at(txn, head->sequence, hash);
    if (error == ERROR_NOT_FOUND)
        return compare_with_kept(txn, head, verdict);
    *verdict = HEAD_REWRITTEN;
    if (error == ERROR_STORE_CORRUPT)
        return ERROR_OK;
    if (error == ERROR_OK)
        *verdict = memcmp(hash, head->hash, sizeof hash) == 0 ? HEAD_HOLDS : HEAD_REWRITTEN;
    return error;
}

static const char *phrase(enum head_verdict verdict)
{
    switch (verdict) {
    case HEAD_HOLDS:
        return "agrees with the journal";
    case HEAD_DROPPED:
        return "agrees with the head kept here; the journal of that time has been dropped by retention";
    case HEAD_FORGED:
        return "carries a signature that does not fit it: it was changed, or never signed by this store";
    case HEAD_OTHER_KEY:
        return "is signed with another key: it belongs to another store";
    case HEAD_CUT:
        return "lies beyond the end of the journal: the journal was cut, or an old copy was restored";
    case HEAD_REWRITTEN:
        return "does not agree with the journal: the journal was rewritten";
    case HEAD_MALFORMED:
        break;
    }
    return "is none";
}

err_t head_check_exported(struct kv_txn *txn, const struct signature_key *key, struct text line,
                          enum head_verdict *verdict, char sentence[HEAD_SENTENCE_SIZE])
{
    struct head head;
    char key_id[SIGNATURE_KEY_ID_SIZE];
    struct error_info info = { 0 };
    uint8_t message[HEAD_MESSAGE_SIZE];
    err_t error = head_read(line, &head, key_id, &info);
    if (error == ERROR_NO_MEMORY)
        return error;
    if (error != ERROR_OK) {
        *verdict = HEAD_MALFORMED;
        snprintf(sentence, HEAD_SENTENCE_SIZE, "%s", info.message);
        return ERROR_OK;
    }
    head_message(&head, message);
    if (strcmp(key_id, key->key_id) != 0)
        *verdict = HEAD_OTHER_KEY;
    else if (!signature_verify(key->public_key, message, sizeof message, head.signature))
        *verdict = HEAD_FORGED;
    else
        error = judge(txn, &head, verdict);
    if (error == ERROR_OK)
        snprintf(sentence, HEAD_SENTENCE_SIZE, "the head at sequence %llu %s", (unsigned long long)head.sequence,
                 phrase(*verdict));
    return error;
}
