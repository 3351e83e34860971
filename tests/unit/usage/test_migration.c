/* Stores that earlier versions wrote are brought to the present schema: the same records, rows by name, identities and
 * accounts. Schema 1 (made by its own import: 12 records of history, 113 live ones) is transcribed, schema 2 (100 live
 * records) gets the tables it lacks. */
#include "support/life.h"

#include "base/files.h"
#include "base/gzip.h"
#include "store/data_file.h"
#include "store/schema1.h"
#include "usage/migrate.h"
#include "usage/record_view.h"
#include "usage/verify.h"

#define OLD_STORE "tests/data/schema1.mdb.gz"
#define STORE_OF_SCHEMA_2 "tests/data/schema2.mdb.gz"
#define RECORDS_OF_SCHEMA_2 100
#define OLD_RECORDS 125

static void put_store(struct usage_fixture *f, const char *file)
{
    struct buffer compressed = { 0 }, plain = { 0 };
    char path[TEST_PATH_SIZE];
    store_close(f->base.store);
    f->base.store = NULL;
    test_folder_remove(&f->base.folder);
    test_folder_make(&f->base.folder);
    assert_ok(file_read(file, (size_t)1 << 20, &compressed, NULL));
    assert_ok(gzip_decompress(buffer_text(&compressed), (size_t)16 << 20, &plain));
    test_folder_path(&f->base.folder, DATA_FILE_NAME, path);
    assert_ok(file_write_durable(path, buffer_text(&plain), 0600, NULL));
    buffer_free(&compressed);
    buffer_free(&plain);
    f->base.options.create = false;
    f->base.options.upgrade = migrate_store;
    clock_manual_set_wall(&f->base.clock, test_instant("2026-12-01T00:00:00Z"));
}

static void put_old_store(struct usage_fixture *f)
{
    put_store(f, OLD_STORE);
}

/* --- what is stored, by names instead of ids, in any order --- */

static uint64_t hash_of_id(struct kv_txn *txn, enum dictionary_kind kind, uint32_t id)
{
    struct text text;
    struct instance instance;
    assert_ok(dictionary_text(txn, kind, id, &text));
    if (kind != DICTIONARY_INSTANCE)
        return checksum64(1, text.ptr, text.len);
    assert_ok(instance_decode(text, &instance));
    uint64_t sum = hash_of_id(txn, DICTIONARY_SOURCE, instance.source) +
                   3 * hash_of_id(txn, DICTIONARY_RESOURCE, instance.resource);
    sum = checksum64(sum, instance.resource_uri.ptr, instance.resource_uri.len);
    sum = checksum64(sum + instance.tags_is_string, instance.location.ptr, instance.location.len);
    sum = checksum64(sum + instance.additional_info_is_string, instance.tags.ptr, instance.tags.len);
    return checksum64(sum, instance.additional_info.ptr, instance.additional_info.len);
}

static uint64_t hash_of_row(struct kv_txn *txn, const uint8_t *key, const uint8_t *value)
{
    struct row_key row = row_key_decode(key);
    uint64_t names[6] = { row.bucket,
                          row.period,
                          hash_of_id(txn, DICTIONARY_SUBSCRIPTION, row.subscription),
                          hash_of_id(txn, DICTIONARY_METER, row.meter),
                          hash_of_id(txn, DICTIONARY_RESOURCE, row.resource),
                          hash_of_id(txn, DICTIONARY_INSTANCE, row.instance) };
    return checksum64(checksum64(0, names, sizeof names), value, ROW_SUM_SIZE);
}

static uint64_t hash_of_record(struct kv_txn *txn, const struct journal_record *record)
{
    uint64_t fields[] = { record->sequence,
                          (uint64_t)record->reported_ns,
                          (uint64_t)record->start_ns,
                          (uint64_t)record->end_ns,
                          record->quantity.words[0],
                          record->quantity.words[1],
                          record->quantity.words[2],
                          record->quantity_is_number,
                          record->history,
                          hash_of_id(txn, DICTIONARY_PRODUCER, record->producer),
                          hash_of_id(txn, DICTIONARY_SOURCE, record->source),
                          hash_of_id(txn, DICTIONARY_SUBSCRIPTION, record->subscription),
                          hash_of_id(txn, DICTIONARY_METER, record->meter),
                          hash_of_id(txn, DICTIONARY_INSTANCE, record->instance) };
    return checksum64(checksum64(0, fields, sizeof fields), record->id.ptr, record->id.len);
}

struct account {
    uint64_t records, record_count, hourly, daily, identities, tables[4];
    struct store_state state;
};

static const enum kv_table carried[] = { KV_SUBSCRIPTIONS, KV_TOKENS, KV_USERS, KV_SETTINGS };

static uint64_t sum_of_entries(struct kv_txn *txn, enum kv_table table, bool rows)
{
    struct kv_cursor *cursor;
    struct text key, value;
    uint64_t sum = 0;
    assert_ok(kv_cursor_open(txn, table, &cursor));
    while (kv_cursor_next(cursor, &key, &value) == ERROR_OK)
        sum += rows ? hash_of_row(txn, (const uint8_t *)key.ptr, (const uint8_t *)value.ptr)
                    : checksum64(checksum64(0, key.ptr, key.len), value.ptr, value.len);
    kv_cursor_close(cursor);
    return sum;
}

static struct account account_of_old(struct usage_fixture *f)
{
    struct schema1 old;
    struct journal_record record;
    struct account account = { 0 };
    struct error_info info = { 0 };
    if (schema1_open(f->base.folder.path, &old, &info) != ERROR_OK)
        fail_msg("%s", info.message);
    account.state.last_sequence = old.last_sequence;
    account.state.last_reported_ns = old.last_reported_ns;
    account.state.first_live_hour = old.first_live_hour;
    while (schema1_next(&old, &record) == ERROR_OK) {
        account.records += hash_of_record(old.txn, &record);
        account.record_count++;
    }
    account.hourly = sum_of_entries(old.txn, KV_HOURLY, true);
    account.daily = sum_of_entries(old.txn, KV_DAILY, true);
    account.identities = sum_of_entries(old.txn, KV_DEDUPE, false);
    for (size_t i = 0; i < COUNT_OF(carried); i++)
        account.tables[i] = sum_of_entries(old.txn, carried[i], false);
    schema1_close(&old);
    return account;
}

static uint64_t sum_of_rows(struct usage_fixture *f, struct kv_txn *txn, enum row_family family)
{
    static const uint8_t from[ROW_KEY_SIZE];
    const struct rows_engine *rows = store_rows(f->base.store);
    struct rows_cursor *cursor;
    const uint8_t *key, *value;
    uint64_t sum = 0;
    assert_ok(rows->open(txn, family, from, false, &cursor));
    while (rows->next(cursor, &key, &value) == ERROR_OK)
        sum += family == ROWS_DEDUPE ? checksum64(checksum64(0, key, DEDUPE_KEY_SIZE), value, DEDUPE_VALUE_SIZE)
                                     : hash_of_row(txn, key, value);
    rows->close(cursor);
    return sum;
}

static struct account account_of_new(struct usage_fixture *f)
{
    struct kv_txn *txn = store_fixture_read(&f->base);
    struct journal_reader reader;
    struct journal_entry entry;
    struct account account = { 0 };
    assert_ok(store_read_state(txn, &account.state));
    assert_ok(journal_open(txn, 0, &reader));
    while (journal_next(&reader, &entry) == ERROR_OK) {
        assert_int_equal(entry.kind, JOURNAL_RECORD);
        account.records += hash_of_record(txn, &entry.record);
        account.record_count++;
    }
    journal_close(&reader);
    account.hourly = sum_of_rows(f, txn, ROWS_HOURLY);
    account.daily = sum_of_rows(f, txn, ROWS_DAILY);
    account.identities = sum_of_rows(f, txn, ROWS_DEDUPE);
    for (size_t i = 0; i < COUNT_OF(carried); i++)
        account.tables[i] = sum_of_entries(txn, carried[i], false);
    store_read_end(txn);
    return account;
}

static void a_store_of_schema_1_is_migrated_whole(void **state)
{
    struct usage_fixture *f = *state;
    put_old_store(f);
    struct account before = account_of_old(f);
    assert_int_equal(before.record_count, OLD_RECORDS);
    store_fixture_open(&f->base);
    struct account after = account_of_new(f);
    assert_int_equal(after.record_count, OLD_RECORDS);
    assert_int_equal(after.state.records, OLD_RECORDS);
    assert_true(before.records == after.records);
    assert_true(before.hourly == after.hourly);
    assert_true(before.daily == after.daily);
    assert_true(before.identities == after.identities);
    assert_memory_equal(before.tables, after.tables, sizeof before.tables);
    assert_int_equal(before.state.last_sequence, after.state.last_sequence);
    assert_int_equal(before.state.last_reported_ns, after.state.last_reported_ns);
    assert_int_equal(before.state.first_live_hour, after.state.first_live_hour);
}

static void a_migrated_store_verifies_and_goes_on(void **state)
{
    struct usage_fixture *f = *state;
    struct verify_result result;
    struct post post = post_good();
    char path[TEST_PATH_SIZE];
    put_old_store(f);
    store_fixture_open(&f->base);
    usage_post_accepted(f, &post);
    assert_verdict(usage_post(f, &post), VERDICT_DUPLICATE);
    struct verify_options options = { .folder = f->base.folder.path, .kv = store_kv(f->base.store) };
    assert_ok(verify_run(&options, &result, NULL));
    struct buffer text = { 0 };
    verify_write_text(&result, &text);
    if (verify_has_findings(&result, false) || verify_has_findings(&result, true))
        fail_msg("%.*s", TEXT_ARGS(buffer_text(&text)));
    buffer_free(&text);
    verify_free(&result);
    test_folder_path(&f->base.folder, DATA_FILE_BEFORE, path);
    assert_true(file_exists(path));
    uint32_t schema;
    store_fixture_reopen(&f->base); /* it is migrated once */
    store_close(f->base.store);
    f->base.store = NULL;
    assert_ok(schema_of(f->base.folder.path, &schema, NULL));
    assert_int_equal(schema, STORE_SCHEMA_VERSION);
}

static void without_a_way_to_migrate_an_older_store_is_refused_and_untouched(void **state)
{
    struct usage_fixture *f = *state;
    struct store *store = NULL;
    struct error_info info = { 0 };
    put_old_store(f);
    struct account before = account_of_old(f);
    f->base.options.upgrade = NULL;
    assert_error(store_open(&f->base.options, &store, &info), ERROR_STORE_CORRUPT);
    assert_non_null(strstr(info.message, "schema 1"));
    struct account after = account_of_old(f);
    assert_memory_equal(&before, &after, sizeof before);
}

static void a_store_of_schema_2_gets_its_tables_and_goes_on(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    struct verify_result result;
    uint32_t schema;
    put_store(f, STORE_OF_SCHEMA_2);
    assert_ok(schema_of(f->base.folder.path, &schema, NULL));
    assert_int_equal(schema, 2);
    store_fixture_open(&f->base);
    usage_post_accepted(f, &post);
    struct verify_options options = { .folder = f->base.folder.path, .kv = store_kv(f->base.store) };
    assert_ok(verify_run(&options, &result, NULL));
    assert_false(verify_has_findings(&result, false) || verify_has_findings(&result, true));
    assert_int_equal(result.records, RECORDS_OF_SCHEMA_2 + 1);
    verify_free(&result);
    store_close(f->base.store);
    f->base.store = NULL;
    assert_ok(schema_of(f->base.folder.path, &schema, NULL));
    assert_int_equal(schema, STORE_SCHEMA_VERSION);
}

TESTS(WITH_USAGE(a_store_of_schema_2_gets_its_tables_and_goes_on), WITH_USAGE(a_store_of_schema_1_is_migrated_whole),
      WITH_USAGE(a_migrated_store_verifies_and_goes_on),
      WITH_USAGE(without_a_way_to_migrate_an_older_store_is_refused_and_untouched))
