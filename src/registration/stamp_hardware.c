/* Hardware facts of the node, from proc and sys. Each part is a hash of what identifies it (spec 6.6: ids of 32
 * hexadecimal digits). A fact that cannot be read, for want of rights or in a container, is left out: the token then
 * tells less, and the operator sees that in what it lists. */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/encode.h"
#include "base/files.h"
#include "registration/stamp.h"

/* A quarter of a KiB per logical processor and some; more than that is not read. */
#define CPUINFO_SIZE_MAX ((size_t)8 * 1024 * 1024)
#define FACT_SIZE_MAX ((size_t)64 * 1024)
#define CORES_MAX 4096
#define HASH_DIGITS 32
#define KIB_PER_GIB ((uint64_t)1024 * 1024)

/* One reading of the machine. */
struct survey {
    struct arena *arena;
    const char *root;
    struct buffer file; /* the one read last */
    struct hardware_node *node;
    bool short_of_memory;
};

/* The file's trimmed content, until the next call; "" when it cannot be read. */
static struct text read_fact(struct survey *s, const char *path, size_t size_max)
{
    char whole[PATH_MAX];
    int length = snprintf(whole, sizeof whole, "%s%s", s->root, path);
    buffer_clear(&s->file);
    if (length < 0 || length >= (int)sizeof whole || file_read(whole, size_max, &s->file, NULL) != ERROR_OK)
        return TEXT("");
    return text_trim(buffer_text(&s->file));
}

static void add_hash(struct survey *s, const char *kind, struct text fact, struct text *parts, size_t *count)
{
    struct sha256 hash;
    uint8_t bytes[SHA256_SIZE];
    char digits[2 * SHA256_SIZE + 1];
    if (fact.len == 0 || *count == REGISTRATION_PARTS_MAX)
        return;
    sha256_init(&hash);
    sha256_update(&hash, kind, strlen(kind) + 1);
    sha256_update(&hash, fact.ptr, fact.len);
    sha256_finish(&hash, bytes);
    hex_encode(bytes, sizeof bytes, digits);
    struct text part = arena_text(s->arena, (struct text){ digits, HASH_DIGITS });
    s->short_of_memory = s->short_of_memory || part.ptr == NULL;
    parts[(*count)++] = part;
}

/* --- what identifies the machine --- */

static void survey_names(struct survey *s)
{
    static const char *const ids[] = { "/sys/class/dmi/id/product_uuid", "/etc/machine-id" };
    size_t count = 0;
    s->node->name = arena_text(s->arena, read_fact(s, "/proc/sys/kernel/hostname", FACT_SIZE_MAX));
    s->short_of_memory = s->short_of_memory || s->node->name.ptr == NULL;
    for (size_t i = 0; i < COUNT_OF(ids) && count == 0; i++)
        add_hash(s, "uuid", read_fact(s, ids[i], FACT_SIZE_MAX), &s->node->uuid, &count);
    if (count == 0)
        s->node->uuid = TEXT("");
}

static void survey_bios(struct survey *s)
{
    static const char *const facts[] = { "/sys/class/dmi/id/bios_vendor", "/sys/class/dmi/id/bios_version",
                                         "/sys/class/dmi/id/bios_date", "/sys/class/dmi/id/board_name" };
    struct buffer all = { 0 };
    bool any = false;
    for (size_t i = 0; i < COUNT_OF(facts); i++) {
        struct text fact = read_fact(s, facts[i], FACT_SIZE_MAX);
        any = any || fact.len > 0;
        buffer_append_text(&all, fact);
        buffer_append_char(&all, '\n');
    }
    if (any)
        add_hash(s, "bios", buffer_text(&all), s->node->bios, &s->node->bios_count);
    s->short_of_memory = s->short_of_memory || all.failed;
    buffer_free(&all);
}

/* --- processors --- */

/* The cores seen so far, as socket << 32 | core. */
struct cores {
    uint64_t *seen;
    size_t count, processors;
};

static void note_core(struct cores *cores, uint64_t core)
{
    for (size_t i = 0; i < cores->count; i++)
        if (cores->seen[i] == core)
            return;
    if (cores->count < CORES_MAX)
        cores->seen[cores->count++] = core;
}

/* "model name\t: Some CPU": the value if the line has that name. */
static bool field_of(struct text line, const char *name, struct text *value)
{
    struct text field;
    *value = line;
    return text_cut(value, ':', &field) && value->ptr != NULL && text_equal(text_trim(field), text_of(name));
}

static void note_socket(struct survey *s, struct text model, uint64_t socket, uint64_t *sockets)
{
    char fact[256];
    if (socket >= 64 || (*sockets & (uint64_t)1 << socket) != 0)
        return;
    *sockets |= (uint64_t)1 << socket;
    int length =
        snprintf(fact, sizeof fact, "%.*s/%u", (int)(model.len < 200 ? model.len : 200), model.ptr, (unsigned)socket);
    add_hash(s, "cpu", (struct text){ fact, (size_t)length }, s->node->cpu, &s->node->cpu_count);
}

/* Physical cores are distinct pairs of socket and core; where the kernel does not tell them (virtual machines, other
 * architectures) each processor is one. */
static void survey_processors(struct survey *s)
{
    struct cores cores = { .seen = arena_array(s->arena, CORES_MAX, sizeof(uint64_t)) };
    struct text rest = read_fact(s, "/proc/cpuinfo", CPUINFO_SIZE_MAX), line, value, model = TEXT("");
    unsigned long long socket = 0, core = 0;
    uint64_t sockets = 0;
    bool has_core = false;
    if (cores.seen == NULL) {
        s->short_of_memory = true;
        return;
    }
    while (text_cut(&rest, '\n', &line)) {
        if (field_of(line, "processor", &value)) {
            cores.processors++;
            has_core = false;
        } else if (field_of(line, "model name", &value)) {
            model = text_trim(value);
        } else if (field_of(line, "physical id", &value)) {
            if (!text_to_u64(text_trim(value), &socket))
                socket = 0;
            note_socket(s, model, socket, &sockets);
        } else if (field_of(line, "core id", &value) && text_to_u64(text_trim(value), &core) && !has_core) {
            has_core = true;
            note_core(&cores, (uint64_t)socket << 32 | (core & UINT32_MAX));
        }
    }
    if (cores.processors > 0)
        note_socket(s, model, 0, &sockets);
    s->node->cores = cores.count > 0 ? cores.count : cores.processors;
}

/* --- what the kernel lists as folders --- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Calls see(s, name) for each entry but hidden ones, in the order of names, at most REGISTRATION_PARTS_MAX. */
static void each_entry(struct survey *s, const char *path, void (*see)(struct survey *s, const char *name))
{
    char whole[PATH_MAX];
    const char *names[REGISTRATION_PARTS_MAX];
    size_t count = 0;
    int length = snprintf(whole, sizeof whole, "%s%s", s->root, path);
    DIR *folder = length > 0 && length < (int)sizeof whole ? opendir(whole) : NULL;
    if (folder == NULL)
        return;
    for (struct dirent *entry; count < COUNT_OF(names) && (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        names[count] = arena_text(s->arena, text_of(entry->d_name)).ptr;
        s->short_of_memory = s->short_of_memory || names[count] == NULL;
        count += names[count] != NULL ? 1 : 0;
    }
    closedir(folder);
    qsort(names, count, sizeof *names, compare_names);
    for (size_t i = 0; i < count; i++)
        see(s, names[i]);
}

/* Whether folder/name/device is there. */
static bool has_device(const struct survey *s, const char *folder, const char *name)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s%s/%s/device", s->root, folder, name);
    return length > 0 && length < (int)sizeof path && file_exists(path);
}

/* Cards have a device; bridges, tunnels and loopback have none. */
static void see_network_card(struct survey *s, const char *name)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "/sys/class/net/%s/address", name);
    if (has_device(s, "/sys/class/net", name))
        add_hash(s, "nic", read_fact(s, path, FACT_SIZE_MAX), s->node->nic, &s->node->nic_count);
}

/* By the first of these that is there; without one, two disks of a size would look alike, so the name goes in. */
static void see_disk(struct survey *s, const char *name)
{
    static const char *const facts[] = { "wwid", "device/wwid", "device/serial", "serial", "size" };
    char path[PATH_MAX], fact[512];
    if (!has_device(s, "/sys/block", name))
        return;
    for (size_t i = 0; i < COUNT_OF(facts); i++) {
        (void)snprintf(path, sizeof path, "/sys/block/%s/%s", name, facts[i]);
        struct text value = read_fact(s, path, FACT_SIZE_MAX);
        if (value.len == 0)
            continue;
        bool by_size = strcmp(facts[i], "size") == 0;
        int length = snprintf(fact, sizeof fact, "%s/%.*s", by_size ? name : "",
                              (int)(value.len < 256 ? value.len : 256), value.ptr);
        add_hash(s, "disk", (struct text){ fact, (size_t)length }, s->node->disk, &s->node->disk_count);
        return;
    }
}

/* In whole GiB: what the kernel keeps for itself differs from version to version. */
static void survey_memory(struct survey *s)
{
    struct text rest = read_fact(s, "/proc/meminfo", FACT_SIZE_MAX), line, value, number;
    unsigned long long kib;
    char fact[32];
    while (text_cut(&rest, '\n', &line)) {
        if (!field_of(line, "MemTotal", &value))
            continue;
        value = text_trim(value);
        if (!text_cut(&value, ' ', &number) || !text_to_u64(number, &kib))
            return;
        int length = snprintf(fact, sizeof fact, "%llu GiB", (kib + KIB_PER_GIB - 1) / KIB_PER_GIB);
        add_hash(s, "memory", (struct text){ fact, (size_t)length }, s->node->memory, &s->node->memory_count);
        return;
    }
}

err_t stamp_hardware(struct arena *arena, const char *root, struct hardware_node *out)
{
    struct survey s = { .arena = arena, .root = root, .node = out };
    memset(out, 0, sizeof *out);
    survey_names(&s);
    survey_bios(&s);
    survey_processors(&s);
    survey_memory(&s);
    each_entry(&s, "/sys/class/net", see_network_card);
    each_entry(&s, "/sys/block", see_disk);
    buffer_free(&s.file);
    return s.short_of_memory ? ERROR_NO_MEMORY : ERROR_OK;
}
