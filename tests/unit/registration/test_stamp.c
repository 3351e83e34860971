/* Unit tests of registration/stamp: ids are made once and stay, and hardware facts are hashes of what the machine
 * says. */
#include "support/store_fixture.h"

#include <sys/stat.h>

#include "base/files.h"
#include "registration/stamp.h"

#define CLOUD "f5fac26a-6f2a-4c5e-9e0a-0c5a3a1b7d11"

static struct stamp get(struct store_fixture *f)
{
    struct stamp stamp;
    struct kv_txn *txn = store_fixture_read(f);
    assert_ok(stamp_get(txn, &stamp));
    store_read_end(txn);
    return stamp;
}

static struct stamp make(struct store_fixture *f, const struct stamp *wanted)
{
    struct stamp_make make;
    stamp_make_init(&make, wanted);
    assert_ok(store_run(f->store, &make.job));
    return make.stamp;
}

static void ids_are_made_once(void **state)
{
    (void)state;
    struct store_fixture f;
    struct stamp none;
    store_fixture_make(&f);
    struct kv_txn *txn = store_fixture_read(&f);
    assert_error(stamp_get(txn, &none), ERROR_NOT_FOUND);
    store_read_end(txn);
    struct stamp first = make(&f, NULL);
    assert_false(guid_is_zero(&first.cloud_id));
    assert_false(guid_is_zero(&first.deployment_id));
    assert_false(guid_equal(&first.cloud_id, &first.deployment_id));
    struct stamp again = make(&f, NULL);
    assert_memory_equal(&again, &first, sizeof first);
    store_fixture_reopen(&f);
    again = get(&f);
    assert_memory_equal(&again, &first, sizeof first);
    store_fixture_free(&f);
}

static void ids_can_be_wanted(void **state)
{
    (void)state;
    struct store_fixture f;
    struct stamp wanted = { { { 0 } }, { { 0 } } };
    store_fixture_make(&f);
    assert_true(guid_parse(TEXT(CLOUD), &wanted.cloud_id));
    struct stamp made = make(&f, &wanted);
    assert_true(guid_equal(&made.cloud_id, &wanted.cloud_id));
    assert_false(guid_is_zero(&made.deployment_id));
    struct stamp stored = get(&f);
    assert_memory_equal(&stored, &made, sizeof made);
    store_fixture_free(&f);
}

/* --- hardware --- */

struct machine {
    struct test_folder folder;
    struct arena *arena;
    struct hardware_node node;
};

static void machine_make(struct machine *m)
{
    memset(m, 0, sizeof *m);
    test_folder_make(&m->folder);
    assert_non_null(m->arena = arena_new(4096, 0));
}

static void machine_free(struct machine *m)
{
    arena_free(m->arena);
    test_folder_remove(&m->folder);
}

/* Writes root/path, folders included. */
static void put_fact(struct machine *m, const char *path, const char *content)
{
    char whole[TEST_PATH_SIZE], folder[TEST_PATH_SIZE];
    test_folder_path(&m->folder, path, whole);
    (void)snprintf(folder, sizeof folder, "%s", whole);
    *strrchr(folder, '/') = '\0';
    assert_ok(folder_create(folder, NULL));
    FILE *file = fopen(whole, "w");
    assert_non_null(file);
    assert_true(fputs(content, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void put_folder(struct machine *m, const char *path)
{
    char whole[TEST_PATH_SIZE];
    test_folder_path(&m->folder, path, whole);
    assert_ok(folder_create(whole, NULL));
}

static void look(struct machine *m)
{
    assert_ok(stamp_hardware(m->arena, m->folder.path, &m->node));
}

static void assert_hash(struct text part)
{
    assert_int_equal(part.len, 32);
    for (size_t i = 0; i < part.len; i++)
        assert_non_null(strchr("0123456789abcdef", part.ptr[i]));
}

static void put_sample(struct machine *m)
{
    put_fact(m, "proc/sys/kernel/hostname", "node01\n");
    put_fact(m, "sys/class/dmi/id/product_uuid", "4C4C4544-0042-3510-8052-B4C04F4B4D32\n");
    put_fact(m, "sys/class/dmi/id/bios_vendor", "Vendor\n");
    put_fact(m, "sys/class/dmi/id/bios_version", "2.1\n");
    put_fact(m, "proc/meminfo", "MemTotal:       65600000 kB\nMemFree: 1 kB\n");
    /* two sockets of two cores with two threads each */
    put_fact(m, "proc/cpuinfo",
             "processor\t: 0\nmodel name\t: CPU X\nphysical id\t: 0\ncore id\t: 0\n\n"
             "processor\t: 1\nmodel name\t: CPU X\nphysical id\t: 0\ncore id\t: 1\n\n"
             "processor\t: 2\nmodel name\t: CPU X\nphysical id\t: 1\ncore id\t: 0\n\n"
             "processor\t: 3\nmodel name\t: CPU X\nphysical id\t: 1\ncore id\t: 1\n\n"
             "processor\t: 4\nmodel name\t: CPU X\nphysical id\t: 0\ncore id\t: 0\n\n"
             "processor\t: 5\nmodel name\t: CPU X\nphysical id\t: 0\ncore id\t: 1\n\n"
             "processor\t: 6\nmodel name\t: CPU X\nphysical id\t: 1\ncore id\t: 0\n\n"
             "processor\t: 7\nmodel name\t: CPU X\nphysical id\t: 1\ncore id\t: 1\n");
    put_fact(m, "sys/class/net/eth0/address", "00:11:22:33:44:55\n");
    put_folder(m, "sys/class/net/eth0/device");
    put_fact(m, "sys/class/net/lo/address", "00:00:00:00:00:00\n");
    put_fact(m, "sys/block/sda/device/wwid", "naa.5000c500a1b2c3d4\n");
    put_folder(m, "sys/block/vda/device");
    put_fact(m, "sys/block/vda/size", "4096\n");
    put_folder(m, "sys/block/vdb/device");
    put_fact(m, "sys/block/vdb/size", "4096\n");
    put_fact(m, "sys/block/loop0/size", "8\n");
}

static void facts_are_hashes_of_parts(void **state)
{
    (void)state;
    struct machine m;
    machine_make(&m);
    put_sample(&m);
    look(&m);
    assert_text(m.node.name, "node01");
    assert_int_equal(m.node.cores, 4);
    assert_hash(m.node.uuid);
    assert_int_equal(m.node.cpu_count, 2); /* by socket */
    assert_false(text_equal(m.node.cpu[0], m.node.cpu[1]));
    assert_int_equal(m.node.bios_count, 1);
    assert_hash(m.node.bios[0]);
    assert_int_equal(m.node.memory_count, 1);
    assert_int_equal(m.node.nic_count, 1); /* not the loopback */
    assert_hash(m.node.nic[0]);
    assert_int_equal(m.node.disk_count, 3); /* not the loop device */
    assert_false(text_equal(m.node.disk[1], m.node.disk[2]));
    machine_free(&m);
}

static void the_same_machine_has_the_same_facts(void **state)
{
    (void)state;
    struct machine m;
    machine_make(&m);
    put_sample(&m);
    look(&m);
    struct hardware_node before = m.node;
    put_fact(&m, "proc/meminfo", "MemTotal:       65610000 kB\n"); /* another kernel */
    look(&m);
    assert_true(text_equal(before.memory[0], m.node.memory[0]));
    assert_true(text_equal(before.disk[0], m.node.disk[0]));
    put_fact(&m, "sys/block/sda/device/wwid", "naa.other\n"); /* another disk */
    put_fact(&m, "sys/class/dmi/id/product_uuid", "other\n");
    look(&m);
    assert_false(text_equal(before.disk[0], m.node.disk[0]));
    assert_true(text_equal(before.disk[1], m.node.disk[1]));
    assert_false(text_equal(before.uuid, m.node.uuid));
    machine_free(&m);
}

/* A container without sys: what is there counts, nothing fails. */
static void what_cannot_be_read_is_left_out(void **state)
{
    (void)state;
    struct machine m;
    machine_make(&m);
    look(&m);
    assert_text(m.node.name, "");
    assert_text(m.node.uuid, "");
    assert_int_equal(m.node.cores, 0);
    assert_int_equal(m.node.cpu_count + m.node.nic_count + m.node.disk_count + m.node.memory_count, 0);
    put_fact(&m, "etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    put_fact(&m, "proc/cpuinfo", "processor\t: 0\n\nprocessor\t: 1\n\nprocessor\t: 2\n");
    look(&m);
    assert_hash(m.node.uuid);
    assert_int_equal(m.node.cores, 3); /* nobody tells which of them share a core */
    assert_int_equal(m.node.cpu_count, 1);
    machine_free(&m);
}

/* Whatever the machine is that runs the tests. */
static void this_machine_has_cores_and_a_name(void **state)
{
    (void)state;
    struct hardware_node node;
    struct arena *arena = arena_new(4096, 0);
    assert_ok(stamp_hardware(arena, "", &node));
    assert_true(node.cores > 0);
    assert_true(node.name.len > 0);
    arena_free(arena);
}

TESTS(cmocka_unit_test(ids_are_made_once), cmocka_unit_test(ids_can_be_wanted),
      cmocka_unit_test(facts_are_hashes_of_parts), cmocka_unit_test(the_same_machine_has_the_same_facts),
      cmocka_unit_test(what_cannot_be_read_is_left_out), cmocka_unit_test(this_machine_has_cores_and_a_name))
