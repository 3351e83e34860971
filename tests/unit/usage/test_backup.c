/* Backup and restore: what comes back is what was there, whole or up to a point in time, and nothing damaged passes. */
#include "support/life.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "base/files.h"
#include "store/audit.h"
#include "store/backup.h"
#include "store/data_file.h"
#include "store/head.h"
#include "usage/restore.h"
#include "usage/subscription_history.h"
#include "usage/verify.h"

#define STEPS 100

struct places {
    struct test_folder parent;
    char backup[TEST_PATH_SIZE], folder[TEST_PATH_SIZE];
};

static struct places make_places(void)
{
    struct places places;
    test_folder_make(&places.parent);
    test_folder_path(&places.parent, "backup", places.backup);
    test_folder_path(&places.parent, "restored", places.folder);
    return places;
}

static struct backup_manifest back_up(struct usage_fixture *f, const struct places *places)
{
    struct backup_options options = { .folder = f->base.folder.path,
                                      .kv = store_kv(f->base.store),
                                      .target = places->backup,
                                      .version = "test",
                                      .now_ns = store_now_ns(f->base.store) };
    struct backup_manifest manifest;
    struct error_info info = { 0 };
    if (backup_run(&options, &manifest, &info) != ERROR_OK)
        fail_msg("backup: %s", info.message);
    return manifest;
}

static struct restore_options restore_options_of(const struct places *places)
{
    return (struct restore_options){ .source = places->backup,
                                     .folder = places->folder,
                                     .to_reported_ns = INT64_MAX,
                                     .now_ns = test_instant(FIXTURE_NOW),
                                     .map_size_bytes = (size_t)1 << 28 };
}

static struct restore_result restore(const struct restore_options *options)
{
    struct restore_result result;
    struct error_info info = { 0 };
    if (restore_run(options, &result, &info) != ERROR_OK)
        fail_msg("restore: %s", info.message);
    return result;
}

/* The fixture goes on with the restored store. */
static void move_to(struct usage_fixture *f, const char *folder)
{
    store_close(f->base.store);
    f->base.store = NULL;
    f->base.options.folder = folder;
    store_fixture_open(&f->base);
}

/* What a restore adds by itself: a note, an entry in the audit log, and the seal that was due. */
static void forget_the_note(struct picture *picture)
{
    picture->tables[KV_META] = picture->tables[KV_AUDIT] = 0;
}

static bool verifies(const char *folder)
{
    struct verify_options options = { .folder = folder, .map_size_bytes = (size_t)1 << 28 };
    struct verify_result result;
    assert_ok(verify_run(&options, &result, NULL));
    bool clean = !verify_has_findings(&result, false) && !verify_has_findings(&result, true);
    verify_free(&result);
    return clean;
}

static void promise_9_a_restored_backup_holds_what_was_there(void **state)
{
    struct usage_fixture *f = *state;
    struct places places = make_places();
    struct life life = life_begin(f, "unit-usage-backup");
    struct post post = post_good();
    life_go_on(&life, STEPS);
    usage_post_accepted(f, &post);
    struct picture before = picture_take(f);
    struct backup_manifest manifest = back_up(f, &places);
    assert_int_equal(manifest.sequence, before.state.last_sequence);
    assert_memory_equal(manifest.head, before.state.head, SHA256_SIZE);
    life_go_on(&life, 50); /* not in the backup */
    struct restore_options options = restore_options_of(&places);
    struct restore_result result = restore(&options);
    assert_false(result.cut);
    assert_int_equal(result.sequence, manifest.sequence);
    assert_true(verifies(places.folder));
    move_to(f, places.folder);
    struct picture after = picture_take(f);
    for (int family = 0; family < ROWS_FAMILY_COUNT; family++)
        assert_true(before.rows[family] == after.rows[family]);
    forget_the_note(&before);
    forget_the_note(&after);
    assert_memory_equal(before.tables, after.tables, sizeof before.tables);
    assert_verdict(usage_post(f, &post), VERDICT_DUPLICATE);
    move_to(f, f->base.folder.path);
    test_folder_remove(&places.parent);
}

static void a_point_in_time_is_a_new_branch_that_verifies_and_goes_on(void **state)
{
    struct usage_fixture *f = *state;
    struct life life = life_begin(f, "unit-usage-backup");
    life_go_on(&life, STEPS);
    clock_manual_advance(&f->base.clock, 2 * NS_PER_HOUR);
    life_post(&life);
    struct store_state middle = store_fixture_state(&f->base);
    struct picture before = picture_take(f);
    int64_t then_ns = store_now_ns(f->base.store);
    clock_manual_advance(&f->base.clock, NS_PER_HOUR);
    life_go_on(&life, STEPS);
    for (int by_time = 0; by_time < 2; by_time++) {
        struct places places = make_places();
        (void)back_up(f, &places);
        struct restore_options options = restore_options_of(&places);
        options.to_sequence = by_time ? 0 : middle.last_sequence;
        options.to_reported_ns = by_time ? then_ns : INT64_MAX;
        struct restore_result result = restore(&options);
        assert_true(result.cut);
        assert_int_equal(result.sequence, middle.last_sequence);
        assert_true(verifies(places.folder));
        move_to(f, places.folder);
        struct picture after = picture_take(f);
        for (int family = 0; family < ROWS_FAMILY_COUNT; family++)
            assert_true(before.rows[family] == after.rows[family]);
        assert_true(before.tables[KV_DICTIONARY] == after.tables[KV_DICTIONARY]);
        assert_true(before.tables[KV_SPANS] == after.tables[KV_SPANS]);
        assert_true(before.tables[KV_HEADS] == after.tables[KV_HEADS]);
        assert_true(after.state.last_reported_ns >= middle.last_reported_ns); /* the audit log is not cut */
        after.state.last_reported_ns = middle.last_reported_ns;
        assert_same_state(&middle, &after.state);
        life_go_on(&life, 50);
        store_close(f->base.store);
        f->base.store = NULL;
        assert_true(verifies(places.folder));
        f->base.options.folder = f->base.folder.path;
        store_fixture_open(&f->base);
        test_folder_remove(&places.parent);
    }
}

static void describe(struct usage_fixture *f, unsigned tenant)
{
    struct subscription subscription = { .id = { { 1 } },
                                         .tenant_id = { { (uint8_t)tenant } },
                                         .display_name = TEXT("x"),
                                         .owner = TEXT(""),
                                         .offer_id = TEXT("") };
    struct subscription_put put;
    struct audited_job audited;
    struct audit_entry entry = { .by = TEXT("tester"),
                                 .action = TEXT("subscription.put"),
                                 .subject = TEXT("subscriptions/1") };
    subscription_put_init(&put, &subscription);
    audited_job_init(&audited, &put.job, &entry, NULL);
    assert_ok(store_run(f->base.store, &audited.job));
    assert_ok(put.refusal);
}

/* The history of what is not cut stays in order, also where the clock starts again at the cut, as a demo's does. */
static void after_a_point_in_time_no_change_is_recorded_before_those_that_stayed(void **state)
{
    struct usage_fixture *f = *state;
    struct places places = make_places();
    struct post post = post_good();
    struct subscription_change *changes;
    size_t count;
    usage_post_accepted(f, &post);
    describe(f, 1);
    int64_t then_ns = store_now_ns(f->base.store);
    clock_manual_advance(&f->base.clock, 5 * NS_PER_HOUR);
    describe(f, 2);
    struct post later = post_good();
    later.id = "\"record-2\"";
    usage_post_accepted(f, &later);
    clock_manual_advance(&f->base.clock, 20 * NS_PER_MINUTE);
    describe(f, 3);
    int64_t stayed_ns = store_now_ns(f->base.store);
    (void)back_up(f, &places);
    struct restore_options options = restore_options_of(&places);
    options.to_reported_ns = then_ns;
    assert_true(restore(&options).cut);
    assert_true(verifies(places.folder));
    clock_manual_set_wall(&f->base.clock, then_ns);
    move_to(f, places.folder);
    describe(f, 4);
    struct kv_txn *txn = store_fixture_read(&f->base);
    const struct guid id = { { 1 } };
    assert_ok(subscription_history(txn, f->arena, &id, &changes, &count));
    store_read_end(txn);
    assert_int_equal(count, 4);
    for (size_t i = 1; i < count; i++)
        assert_true(changes[i].recorded_ns >= changes[i - 1].recorded_ns);
    assert_true(changes[3].recorded_ns >= stayed_ns && changes[3].effective_ns >= changes[2].effective_ns);
    move_to(f, f->base.folder.path);
    test_folder_remove(&places.parent);
}

static void a_restore_is_in_the_audit_log_and_in_the_store(void **state)
{
    struct usage_fixture *f = *state;
    struct places places = make_places();
    struct life life = life_begin(f, "unit-usage-backup");
    struct audit_entry *entries;
    size_t count;
    bool more, noted = false;
    life_go_on(&life, 30);
    (void)back_up(f, &places);
    struct restore_options options = restore_options_of(&places);
    struct restore_result result = restore(&options);
    move_to(f, places.folder);
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_ok(audit_list(txn, f->arena, 0, 1000, &entries, &count, &more));
    for (size_t i = 0; i < count; i++)
        noted = noted || text_equal(entries[i].action, TEXT("store.restore"));
    assert_true(noted);
    struct text name = arena_format(f->arena, "branch/%020llu", (unsigned long long)result.sequence), branch;
    assert_ok(kv_get(txn, KV_META, name, &branch));
    store_read_end(txn);
    move_to(f, f->base.folder.path);
    test_folder_remove(&places.parent);
}

static void a_certificate_and_the_token_travel_along(void **state)
{
    struct usage_fixture *f = *state;
    struct places places = make_places();
    char path[TEST_PATH_SIZE];
    struct buffer content = { 0 };
    struct stat status;
    test_folder_path(&f->base.folder, "tls", path);
    assert_ok(folder_create(path, NULL));
    test_folder_path(&f->base.folder, "tls/key.pem", path);
    assert_ok(file_write_durable(path, TEXT("key"), 0600, NULL));
    test_folder_path(&f->base.folder, "operator.token", path);
    assert_ok(file_write_durable(path, TEXT("token"), 0600, NULL));
    struct backup_manifest manifest = back_up(f, &places);
    assert_int_equal(manifest.file_count, 3);
    struct restore_options options = restore_options_of(&places);
    (void)restore(&options);
    (void)snprintf(path, sizeof path, "%.500s/tls/key.pem", places.folder);
    assert_ok(file_read(path, 100, &content, NULL));
    assert_text(buffer_text(&content), "key");
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    buffer_free(&content);
    test_folder_remove(&places.parent);
}

static void a_damaged_or_incomplete_backup_is_refused(void **state)
{
    struct usage_fixture *f = *state;
    struct places places = make_places();
    struct life life = life_begin(f, "unit-usage-backup");
    struct restore_options options = restore_options_of(&places);
    struct restore_result result;
    struct error_info info = { 0 };
    char path[TEST_PATH_SIZE + 32], other[TEST_PATH_SIZE + 32];
    life_go_on(&life, 30);
    assert_error(restore_run(&options, &result, &info), ERROR_NOT_FOUND);
    (void)back_up(f, &places);
    (void)snprintf(path, sizeof path, "%s/data.mdb", places.backup);
    int fd = open(path, O_RDWR);
    uint8_t byte;
    for (off_t at = 100; at < 60000; at += 9973) {
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 1;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        assert_error(restore_run(&options, &result, &info), ERROR_STORE_CORRUPT);
        byte ^= 1;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    close(fd);
    (void)snprintf(path, sizeof path, "%s/data.mdb", places.folder);
    assert_false(file_exists(path));
    (void)snprintf(path, sizeof path, "%s/manifest.json", places.backup);
    (void)snprintf(other, sizeof other, "%s/manifest", places.backup);
    assert_int_equal(rename(path, other), 0);
    assert_error(restore_run(&options, &result, &info), ERROR_NOT_FOUND);
    assert_ok(file_write_durable(path, TEXT("{\"format\":1,\"files\":[{\"name\":\"../x\"}]}"), 0600, NULL));
    assert_error(restore_run(&options, &result, &info), ERROR_STORE_CORRUPT);
    assert_int_equal(rename(other, path), 0);
    (void)restore(&options);
    test_folder_remove(&places.parent);
}

static void folders_that_hold_something_are_left_alone(void **state)
{
    struct usage_fixture *f = *state;
    struct places places = make_places();
    struct backup_options options = {
        .folder = f->base.folder.path, .kv = store_kv(f->base.store), .target = f->base.folder.path, .version = "test"
    };
    struct backup_manifest manifest;
    struct error_info info = { 0 };
    assert_error(backup_run(&options, &manifest, &info), ERROR_EXISTS);
    (void)back_up(f, &places);
    struct restore_options into = restore_options_of(&places);
    struct restore_result result;
    into.folder = f->base.folder.path;
    assert_error(restore_run(&into, &result, &info), ERROR_EXISTS);
    test_folder_remove(&places.parent);
}

/* Backups of a store that is written to all the while are moments of it. */
struct poster {
    struct usage_fixture *f;
    atomic_bool stop;
    atomic_int posted;
};

static void *post_on(void *argument)
{
    struct poster *poster = argument;
    struct life life = { .f = poster->f, .prng = { { 1, 2, 3, 4 } } };
    while (!atomic_load(&poster->stop)) {
        life_post(&life);
        atomic_fetch_add(&poster->posted, 1);
    }
    return NULL;
}

static void a_backup_of_a_busy_store_is_consistent_and_stops_nobody(void **state)
{
    struct usage_fixture *f = *state;
    struct poster poster = { .f = f };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, post_on, &poster), 0);
    while (atomic_load(&poster.posted) < 20)
        sched_yield();
    for (int round = 0; round < 5; round++) {
        struct places places = make_places();
        int before = atomic_load(&poster.posted);
        (void)back_up(f, &places);
        assert_true(verifies(places.backup));
        while (atomic_load(&poster.posted) == before)
            sched_yield();
        test_folder_remove(&places.parent);
    }
    atomic_store(&poster.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

TESTS(WITH_USAGE(promise_9_a_restored_backup_holds_what_was_there),
      WITH_USAGE(a_point_in_time_is_a_new_branch_that_verifies_and_goes_on),
      WITH_USAGE(after_a_point_in_time_no_change_is_recorded_before_those_that_stayed),
      WITH_USAGE(a_restore_is_in_the_audit_log_and_in_the_store), WITH_USAGE(a_certificate_and_the_token_travel_along),
      WITH_USAGE(a_damaged_or_incomplete_backup_is_refused), WITH_USAGE(folders_that_hold_something_are_left_alone),
      WITH_USAGE(a_backup_of_a_busy_store_is_consistent_and_stops_nobody))
