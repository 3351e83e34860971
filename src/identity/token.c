/* Tokens and sessions. The table's key is the hash of the token's text, so that a copy of the store gives nobody
 * access, and a look-up is one hash, one get and one small parse. Because keys are hashes, they are spread evenly,
 * which token_purge makes use of. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/crypto.h"
#include "base/encode.h"
#include "base/instant.h"
#include "identity/identity_internal.h"
#include "store/write.h"

#define TOKEN_PREFIX "sm_"
#define TOKEN_RANDOM_SIZE 32
#define TOKEN_TEXT_LEN (sizeof TOKEN_PREFIX - 1 + BASE64URL_LEN(TOKEN_RANDOM_SIZE))
#define TOKEN_ID_LEN 16
#define PURGE_SCAN_MAX 64 /* tokens looked at per sign-in */
#define DELETE_BATCH_MAX 64

_Static_assert(TOKEN_TEXT_LEN < TOKEN_TEXT_SIZE, "a token fits");

struct token_key {
    uint8_t bytes[TOKEN_KEY_SIZE];
};

static struct token_key key_of(struct text token)
{
    struct token_key key;
    sha256_of(token.ptr, token.len, key.bytes);
    return key;
}

static struct text key_text(const struct token_key *key)
{
    return (struct text){ (const char *)key->bytes, sizeof key->bytes };
}

/* --- the stored form --- */

static void entry_write(const struct identity *identity, int64_t created_ns, struct buffer *out)
{
    struct json_writer json = json_writer(out);
    json_begin_object(&json);
    json_name(&json, "role");
    json_put_cstring(&json, role_name(identity->role));
    json_name(&json, "name");
    json_put_text(&json, identity->name);
    identity_write_guid(&json, "subscription", &identity->subscription);
    if (identity->source_count > 0) {
        json_name(&json, "sources");
        json_begin_array(&json);
        for (size_t i = 0; i < identity->source_count; i++)
            json_put_text(&json, identity->sources[i]);
        json_end_array(&json);
    }
    if (identity->is_session) {
        json_name(&json, "session");
        json_put_bool(&json, true);
    }
    identity_write_instant(&json, "created", created_ns);
    if (identity->expires_ns != INT64_MAX)
        identity_write_instant(&json, "expires", identity->expires_ns);
    json_end_object(&json);
}

static bool read_sources(const struct json *object, struct identity *out)
{
    const struct json *sources = json_member(object, TEXT("sources"));
    if (sources == NULL)
        return true;
    if (json_type(sources) != JSON_ARRAY)
        return false;
    for (struct json_iterator i = json_iterate(sources); json_next(&i);) {
        if (json_type(i.value) != JSON_STRING || out->source_count == COUNT_OF(out->sources))
            return false;
        out->sources[out->source_count++] = json_string(i.value);
    }
    return true;
}

static err_t entry_read(struct arena *arena, struct text stored, struct identity *out, int64_t *created_ns)
{
    const struct json *object;
    struct text role;
    memset(out, 0, sizeof *out);
    err_t error = json_parse(arena, stored, &object, NULL);
    if (error != ERROR_OK)
        return error == ERROR_NO_MEMORY ? error : ERROR_STORE_CORRUPT;
    const struct json *session = json_member(object, TEXT("session"));
    out->is_session = session != NULL && json_type(session) == JSON_TRUE;
    bool ok = json_member_string(object, TEXT("role"), &role) && role_parse(role, &out->role) &&
              json_member_string(object, TEXT("name"), &out->name) &&
              identity_read_guid(object, TEXT("subscription"), &out->subscription) && read_sources(object, out) &&
              identity_read_instant(object, TEXT("created"), 0, created_ns) &&
              identity_read_instant(object, TEXT("expires"), INT64_MAX, &out->expires_ns);
    return ok ? ERROR_OK : ERROR_STORE_CORRUPT;
}

/* --- looking up --- */

err_t token_authenticate(struct kv_txn *txn, struct arena *arena, int64_t now_ns, struct text token,
                         struct identity *out)
{
    struct text stored;
    int64_t created_ns;
    if (token.len != TOKEN_TEXT_LEN)
        return ERROR_INVALID_TOKEN;
    struct token_key key = key_of(token);
    err_t error = kv_get(txn, KV_TOKENS, key_text(&key), &stored);
    if (error != ERROR_OK)
        return error == ERROR_NOT_FOUND ? ERROR_INVALID_TOKEN : error;
    error = entry_read(arena, stored, out, &created_ns);
    if (error != ERROR_OK)
        return error;
    return now_ns < out->expires_ns ? ERROR_OK : ERROR_EXPIRED_TOKEN;
}

/* --- walking over the table and deleting from it --- */

/* Deletes those of the entries from *from on that 'chosen' picks, looking at no more than 'scan_max'. Keys are
 * gathered first, because a write ends the life of what a cursor has shown. *from is where to go on; *at_end tells
 * that there is nothing more. */
static err_t delete_some(struct kv_txn *txn, struct token_key *from, size_t scan_max,
                         bool (*chosen)(const struct identity *identity, const void *context), const void *context,
                         bool *at_end)
{
    struct token_key found[DELETE_BATCH_MAX];
    size_t found_count = 0;
    struct kv_cursor *cursor;
    struct text key, stored;
    struct arena *arena = arena_new(4096, 0);
    if (arena == NULL)
        return ERROR_NO_MEMORY;
    err_t error = kv_cursor_open(txn, KV_TOKENS, &cursor);
    if (error != ERROR_OK) {
        arena_free(arena);
        return error;
    }
    error = kv_cursor_seek(cursor, key_text(from), &key, &stored);
    for (size_t seen = 0; error == ERROR_OK; seen++) {
        struct identity identity;
        int64_t created_ns;
        if (key.len != TOKEN_KEY_SIZE) {
            error = ERROR_STORE_CORRUPT;
            break;
        }
        memcpy(from->bytes, key.ptr, sizeof from->bytes);
        if (seen == scan_max || found_count == COUNT_OF(found))
            break;
        arena_reset(arena);
        error = entry_read(arena, stored, &identity, &created_ns);
        if (error != ERROR_OK)
            break;
        if (chosen(&identity, context))
            found[found_count++] = *from;
        error = kv_cursor_next(cursor, &key, &stored);
    }
    kv_cursor_close(cursor);
    arena_free(arena);
    *at_end = error == ERROR_NOT_FOUND;
    if (*at_end)
        error = ERROR_OK;
    for (size_t i = 0; i < found_count && error == ERROR_OK; i++)
        error = kv_delete(txn, KV_TOKENS, key_text(&found[i]));
    return error;
}

static bool is_expired_session(const struct identity *identity, const void *context)
{
    const int64_t *now_ns = context;
    return identity->is_session && identity->expires_ns <= *now_ns;
}

/* Looks at a few entries behind a random key: over many sign-ins all of the table, at a bounded cost for each. */
static err_t token_purge(struct kv_txn *txn, const struct token_key *random_key, int64_t now_ns)
{
    struct token_key from = *random_key;
    bool at_end;
    err_t error = delete_some(txn, &from, PURGE_SCAN_MAX, is_expired_session, &now_ns, &at_end);
    if (error != ERROR_OK || !at_end)
        return error;
    memset(&from, 0, sizeof from); /* the end was near: the next in the circle are at the start */
    return delete_some(txn, &from, PURGE_SCAN_MAX, is_expired_session, &now_ns, &at_end);
}

static bool is_session_of(const struct identity *identity, const void *context)
{
    const struct text *user_name = context;
    return identity->is_session && text_equal_nocase(identity->name, *user_name);
}

err_t token_end_sessions(struct kv_txn *txn, struct text user_name)
{
    struct token_key from = { { 0 } };
    bool at_end = false;
    err_t error = ERROR_OK;
    while (!at_end && error == ERROR_OK)
        error = delete_some(txn, &from, SIZE_MAX, is_session_of, &user_name, &at_end);
    return error;
}

/* --- jobs --- */

static err_t run_create(struct store_write *write, struct store_job *job)
{
    struct token_create *create = (struct token_create *)job;
    struct kv_txn *txn = write_txn(write);
    struct token_key key = key_of(text_of(create->token));
    if (create->identity.is_session) {
        bool disabled = false;
        struct arena *arena = arena_new(4096, 0);
        if (arena == NULL)
            return ERROR_NO_MEMORY;
        err_t error = user_is_disabled(txn, arena, create->identity.name, &disabled);
        arena_free(arena);
        if (error == ERROR_OK)
            error = token_purge(txn, &key, create->now_ns);
        if (error != ERROR_OK || disabled)
            return error;
    }
    struct buffer value = { 0 };
    entry_write(&create->identity, create->now_ns, &value);
    return identity_put(txn, KV_TOKENS, key_text(&key), &value);
}

void token_create_init(struct token_create *create, const struct identity *identity, int64_t now_ns)
{
    uint8_t secret[TOKEN_RANDOM_SIZE];
    REQUIRE(identity->source_count <= COUNT_OF(identity->sources));
    memset(create, 0, sizeof *create);
    create->job.run = run_create;
    create->job.weight = 1;
    create->identity = *identity;
    create->now_ns = now_ns;
    random_bytes(secret, sizeof secret);
    memcpy(create->token, TOKEN_PREFIX, sizeof TOKEN_PREFIX);
    base64url_encode(secret, sizeof secret, create->token + sizeof TOKEN_PREFIX - 1);
    secret_wipe(secret, sizeof secret);
    struct token_key key = key_of(text_of(create->token));
    hex_encode(key.bytes, TOKEN_ID_LEN / 2, create->id);
    if (identity->name.len == 0) {
        int length = snprintf(create->name, sizeof create->name, "%s-%.8s", role_name(identity->role), create->id);
        create->identity.name = (struct text){ create->name, (size_t)length };
    }
}

/* The key that begins with the id's 8 bytes; ERROR_NOT_FOUND. */
static err_t find_by_id(struct kv_txn *txn, const char *id, struct token_key *out)
{
    uint8_t prefix[TOKEN_ID_LEN / 2];
    struct kv_cursor *cursor;
    struct text key, stored;
    if (!hex_decode(text_of(id), prefix, sizeof prefix))
        return ERROR_NOT_FOUND;
    err_t error = kv_cursor_open(txn, KV_TOKENS, &cursor);
    if (error != ERROR_OK)
        return error;
    error = kv_cursor_seek(cursor, (struct text){ (const char *)prefix, sizeof prefix }, &key, &stored);
    if (error == ERROR_OK && (key.len != TOKEN_KEY_SIZE || memcmp(key.ptr, prefix, sizeof prefix) != 0))
        error = ERROR_NOT_FOUND;
    if (error == ERROR_OK)
        memcpy(out->bytes, key.ptr, sizeof out->bytes);
    kv_cursor_close(cursor);
    return error;
}

static err_t run_revoke(struct store_write *write, struct store_job *job)
{
    struct token_revoke *revoke = (struct token_revoke *)job;
    struct kv_txn *txn = write_txn(write);
    struct token_key key;
    err_t error = ERROR_OK;
    if (revoke->token.ptr != NULL)
        key = key_of(revoke->token);
    else
        error = find_by_id(txn, revoke->id, &key);
    if (error == ERROR_OK)
        error = kv_delete(txn, KV_TOKENS, key_text(&key));
    revoke->missing = error == ERROR_NOT_FOUND;
    return revoke->missing ? ERROR_OK : error;
}

void token_revoke_init(struct token_revoke *revoke, struct text id, struct text token)
{
    memset(revoke, 0, sizeof *revoke);
    revoke->job.run = run_revoke;
    revoke->job.weight = 1;
    revoke->token = token;
    if (id.len == TOKEN_ID_LEN) /* any other length names no token; the empty id is not found */
        memcpy(revoke->id, id.ptr, id.len);
}

/* --- listing --- */

err_t token_list(struct kv_txn *txn, struct arena *arena, struct token_entry **out, size_t *count)
{
    struct token_entry *entries = NULL;
    size_t capacity = 0;
    struct kv_cursor *cursor;
    struct text key, stored;
    *count = 0;
    err_t error = kv_cursor_open(txn, KV_TOKENS, &cursor);
    if (error != ERROR_OK)
        return error;
    error = kv_cursor_seek(cursor, TEXT("\0"), &key, &stored);
    while (error == ERROR_OK) {
        struct token_entry *moved = arena_grow(arena, entries, *count, &capacity, sizeof *entries);
        if (moved == NULL) {
            error = ERROR_NO_MEMORY;
            break;
        }
        entries = moved;
        struct token_entry *entry = &entries[*count];
        error = key.len == TOKEN_KEY_SIZE ? entry_read(arena, stored, &entry->identity, &entry->created_ns)
                                          : ERROR_STORE_CORRUPT;
        if (error != ERROR_OK)
            break;
        hex_encode(key.ptr, TOKEN_ID_LEN / 2, entry->id);
        ++*count;
        error = kv_cursor_next(cursor, &key, &stored);
    }
    kv_cursor_close(cursor);
    *out = entries;
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

void token_entry_to_json(const struct token_entry *entry, struct json_writer *json)
{
    const struct identity *identity = &entry->identity;
    json_begin_object(json);
    json_name(json, "id");
    json_put_cstring(json, entry->id);
    json_name(json, "role");
    json_put_cstring(json, role_name(identity->role));
    json_name(json, "name");
    json_put_text(json, identity->name);
    identity_write_guid(json, "subscriptionId", &identity->subscription);
    if (identity->source_count > 0) {
        json_name(json, "sources");
        json_begin_array(json);
        for (size_t i = 0; i < identity->source_count; i++)
            json_put_text(json, identity->sources[i]);
        json_end_array(json);
    }
    if (identity->is_session) {
        json_name(json, "session");
        json_put_bool(json, true);
    }
    identity_write_instant(json, "created", entry->created_ns);
    if (identity->expires_ns != INT64_MAX)
        identity_write_instant(json, "expires", identity->expires_ns);
    json_end_object(json);
}
