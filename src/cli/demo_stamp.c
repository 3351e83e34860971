/* The simulation: a tour over all workloads for one usage hour, once for each kind of report, and of each tour only
 * those records that belong to the kind. Whether a record is late, sent twice or contradicted follows from hashes of
 * its key, so no state is kept. Arithmetic is on integers only: quantities are the same on every machine. */
#include "cli/demo_stamp.h"

#include <stdio.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/encode.h"
#include "base/instant.h"
#include "base/json.h"
#include "cli/demo_tables.h"

#define NAME_SIZE 64
#define GIB (UINT64_C(1) << 30)
#define LATE_ONE_IN 64
#define RETRY_ONE_IN 97
#define CONFLICT_ONE_IN 41
#define CONFLICT_HOURS 6 /* one conflict in one hour out of so many; the same for rejections */
#define REJECTED_HOURS 3

__extension__ typedef unsigned __int128 wide;

struct tour {
    const struct demo_stamp *stamp;
    int64_t posting_hour;
    int64_t hour; /* usage hour */
    enum demo_kind kind;
    bool history;
    bool conflict_made;
    const struct demo_workload *workload;
    uint64_t workload_key;
    int64_t generation;
    char group[NAME_SIZE];
    char operator_subscription[GUID_TEXT_SIZE];
    const char *subscription;
    struct buffer json;
    err_t error;
    err_t (*sink)(void *context, const struct demo_report *report);
    void *context;
};

struct resource {
    const char *type; /* "virtualMachines" */
    char name[NAME_SIZE];
    uint64_t key;
    const struct demo_size *size; /* machines only */
    const struct demo_image *image;
    const char *sku; /* sites only */
    bool tagged;
};

struct measure {
    enum demo_meter meter;
    uint64_t value; /* units of 10^-places */
    unsigned places;
    int64_t start_ns, end_ns; /* both 0: the whole hour */
};

enum resource_kind {
    MACHINE,
    SYSTEM_DISK,
    DATA_DISK,
    SNAPSHOT,
    ADDRESS,
    ACCOUNT,
    VAULT,
    SITE,
    DATABASE,
    MYSQL,
    EVENT_HUB
};

/* --- hashing: the finaliser of SplitMix64 over a running value --- */

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t z = a + UINT64_C(0x9E3779B97F4A7C15) * (b + 1);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static uint64_t below(uint64_t key, uint64_t salt, uint64_t bound)
{
    return mix(key, salt) % bound;
}

enum {
    SALT_LATE = 1,
    SALT_LATE_BY,
    SALT_RETRY,
    SALT_CONFLICT,
    SALT_REJECTED,
    SALT_SIZE,
    SALT_GROWTH,
    SALT_NOISE,
    SALT_MINUTE
};

/* --- time --- */

static unsigned hour_of_day(int64_t hour)
{
    return (unsigned)(hour % HOURS_PER_DAY);
}

/* 0: Monday. 1970-01-01 was a Thursday. */
static unsigned weekday(int64_t hour)
{
    return (unsigned)((hour / HOURS_PER_DAY + 3) % 7);
}

/* Permille of the usual peak. */
static uint64_t load(int64_t hour)
{
    return (uint64_t)demo_day_curve[hour_of_day(hour)] * demo_week_curve[weekday(hour)] / 100;
}

static uint64_t hours_in_month(int64_t hour)
{
    struct civil_date first = civil_from_days(hour / HOURS_PER_DAY);
    first.day = 1;
    struct civil_date next = first;
    next.month = first.month == 12 ? 1 : first.month + 1;
    next.year += first.month == 12;
    return (uint64_t)(days_from_civil(next) - days_from_civil(first)) * HOURS_PER_DAY;
}

static int64_t first_usage_hour(const struct demo_stamp *stamp)
{
    return stamp->start_hour - DEMO_HISTORY_HOURS;
}

/* --- which records belong to the tour --- */

static int64_t lateness(uint64_t key)
{
    if (below(key, SALT_LATE, LATE_ONE_IN) != 0)
        return 0;
    return 1 + (int64_t)below(key, SALT_LATE_BY, DEMO_LATE_HOURS_MAX);
}

static bool wanted(const struct tour *tour, uint64_t key)
{
    int64_t late = lateness(key);
    switch (tour->kind) {
    case DEMO_REGULAR:
        return late == 0;
    case DEMO_LATE:
        return late == tour->posting_hour - 1 - tour->hour;
    case DEMO_RETRY:
        return late == 0 && below(key, SALT_RETRY, RETRY_ONE_IN) == 0;
    case DEMO_CONFLICT:
        return late == 0 && !tour->conflict_made && below(key, SALT_CONFLICT, CONFLICT_ONE_IN) == 0;
    case DEMO_REJECTED:
    case DEMO_KIND_COUNT:
        break;
    }
    return false;
}

/* --- writing records --- */

/* value / 10^places in full, without trailing zeros. */
static void print_scaled(uint64_t value, unsigned places, char out[48])
{
    uint64_t unit = 1;
    for (unsigned i = 0; i < places; i++)
        unit *= 10;
    int length = snprintf(out, 48, "%llu", (unsigned long long)(value / unit));
    if (value % unit == 0)
        return;
    length += snprintf(out + length, 48 - (size_t)length, ".%0*llu", (int)places, (unsigned long long)(value % unit));
    while (out[length - 1] == '0')
        out[--length] = '\0';
}

static void put_member(struct json_writer *json, const char *name, const char *value)
{
    json_name(json, name);
    json_put_cstring(json, value);
}

static void put_instant(struct json_writer *json, const char *name, int64_t instant_ns)
{
    char text[INSTANT_TEXT_SIZE];
    instant_print(instant_ns, text);
    put_member(json, name, text);
}

static void put_resource(const struct tour *tour, struct json_writer *json, enum demo_source source,
                         const struct resource *resource)
{
    char uri[256];
    /* Azure Stack's own providers differ in this spelling. */
    const char *groups = source == DEMO_STORAGE || source == DEMO_WEB ? "resourcegroups" : "resourceGroups";
    int length = snprintf(uri, sizeof uri, "/subscriptions/%s/%s/%s/providers/%s/%s/%s", tour->subscription, groups,
                          tour->group, demo_source_name(source), resource->type, resource->name);
    REQUIRE(length > 0 && length < (int)sizeof uri);
    put_member(json, "resourceUri", uri);
    put_member(json, "location", DEMO_LOCATION);
}

static void put_tags(const struct tour *tour, struct json_writer *json, const struct resource *resource)
{
    if (tour->workload->environment[0] == '\0')
        return;
    if (!resource->tagged) {
        put_member(json, "tags", "");
        return;
    }
    json_name(json, "tags");
    json_begin_object(json);
    put_member(json, "RG", tour->group);
    put_member(json, "env", tour->workload->environment);
    if (tour->workload->cost_centre[0] != '\0')
        put_member(json, "cc", tour->workload->cost_centre);
    json_end_object(json);
}

static void put_info(struct json_writer *json, const struct resource *resource)
{
    if (resource->image != NULL) {
        json_name(json, "additionalInfo");
        json_begin_object(json);
        put_member(json, "ServiceType", resource->size->name);
        json_name(json, "ImageType");
        json_put_null(json);
        put_member(json, "Publisher", resource->image->publisher);
        put_member(json, "Offer", resource->image->offer);
        put_member(json, "Sku", resource->image->sku);
        json_end_object(json);
    } else if (resource->sku != NULL) {
        json_name(json, "additionalInfo");
        json_begin_object(json);
        put_member(json, "Sku", resource->sku);
        json_end_object(json);
    }
}

static void put_quantity(struct json_writer *json, enum demo_source source, const struct measure *measure)
{
    char text[48];
    print_scaled(measure->value, measure->places, text);
    json_name(json, "quantity");
    if (source == DEMO_SQL || source == DEMO_MYSQL) /* both spellings are allowed, so both are shown */
        json_put_cstring(json, text);
    else
        json_put_raw(json, text_of(text));
}

static int64_t due_ns(const struct tour *tour)
{
    bool extra = tour->kind != DEMO_REGULAR;
    return hour_start_ns(tour->posting_hour) + (extra ? DEMO_EXTRA_DELAY_NS : DEMO_POST_DELAY_NS);
}

static void deliver(struct tour *tour, enum demo_source source)
{
    if (tour->json.failed)
        tour->error = ERROR_NO_MEMORY;
    if (tour->error != ERROR_OK)
        return;
    struct demo_report report = { source, tour->kind, due_ns(tour), buffer_text(&tour->json) };
    tour->error = tour->sink(tour->context, &report);
}

/* Ids are functions of (producer, meter, resource, hour), as a provider's should be: a retry keeps its id. */
static void put_id(struct json_writer *json, uint64_t key)
{
    uint8_t bytes[16];
    char text[33];
    put_u64be(bytes, mix(key, 0x1D));
    put_u64be(bytes + 8, mix(key, 0x2D));
    hex_encode(bytes, sizeof bytes, text);
    put_member(json, "id", text);
}

static void report(struct tour *tour, const struct resource *resource, struct measure measure)
{
    const struct demo_meter_info *meter = &demo_meters[measure.meter];
    uint64_t key = mix(mix(resource->key, measure.meter), (uint64_t)tour->hour);
    if (tour->error != ERROR_OK || !wanted(tour, key))
        return;
    if (measure.end_ns == 0) {
        measure.start_ns = hour_start_ns(tour->hour);
        measure.end_ns = hour_start_ns(tour->hour + 1);
    }
    if (tour->kind == DEMO_CONFLICT) {
        measure.value += 1 + measure.value / 10;
        tour->conflict_made = true;
    }
    buffer_clear(&tour->json);
    struct json_writer json = json_writer(&tour->json);
    json_begin_object(&json);
    put_id(&json, key);
    put_member(&json, "source", demo_source_name(meter->source));
    put_member(&json, "subscriptionId", tour->subscription);
    put_member(&json, "meterId", meter->id);
    put_resource(tour, &json, meter->source, resource);
    put_instant(&json, "usageStartTime", measure.start_ns);
    put_instant(&json, "usageEndTime", measure.end_ns);
    put_quantity(&json, meter->source, &measure);
    put_tags(tour, &json, resource);
    put_info(&json, resource);
    if (tour->history)
        put_instant(&json, "reportedTime", due_ns(tour));
    json_end_object(&json);
    deliver(tour, meter->source);
}

/* --- what there is --- */

static struct resource resource_of(const struct tour *tour, enum resource_kind kind, unsigned index, const char *type)
{
    struct resource resource = { .type = type, .tagged = true };
    resource.key = mix(tour->workload_key, (uint64_t)kind * 1000 + index);
    return resource;
}

static void name_resource(struct resource *resource, const struct tour *tour, const char *suffix, unsigned number)
{
    int length = snprintf(resource->name, sizeof resource->name, "%s-%s%02u", tour->workload->name, suffix, number);
    REQUIRE(length > 0 && length < (int)sizeof resource->name);
}

static uint64_t gigabytes(uint64_t bytes, uint64_t divisor)
{
    return (uint64_t)((wide)bytes * UINT64_C(1000000000000000) / GIB / divisor); /* 15 places */
}

/* Fills slowly and is tidied up every sixty days. */
static uint64_t stored_bytes(const struct tour *tour, uint64_t key, uint64_t largest_gb)
{
    uint64_t base = (1 + below(key, SALT_SIZE, largest_gb)) * GIB / 4;
    uint64_t growth = below(key, SALT_GROWTH, 1 + largest_gb * 400000);
    uint64_t age = (uint64_t)(tour->hour % (60 * HOURS_PER_DAY));
    return base + age * growth + below(mix(key, (uint64_t)tour->hour), SALT_NOISE, 1 + growth);
}

static void visit_disk(struct tour *tour, enum resource_kind kind, unsigned index, bool premium)
{
    struct resource disk = resource_of(tour, kind, index, "disks");
    name_resource(&disk, tour, kind == SYSTEM_DISK ? "os" : "data", index + 1);
    enum demo_meter tier = kind == SYSTEM_DISK ? (premium ? DEMO_METER_DISK_P10 : DEMO_METER_DISK_S10)
                                               : (premium ? DEMO_METER_DISK_P20 : DEMO_METER_DISK_S20);
    uint64_t month = hours_in_month(tour->hour);
    report(tour, &disk,
           (struct measure){ .meter = tier, .value = UINT64_C(10000000000000000000) / month, .places = 19 });
    uint64_t bytes = stored_bytes(tour, disk.key, kind == SYSTEM_DISK ? 60 : 400);
    report(tour, &disk,
           (struct measure){ .meter = premium ? DEMO_METER_DISK_PREMIUM_SIZE : DEMO_METER_DISK_STANDARD_SIZE,
                             .value = gigabytes(bytes, month),
                             .places = 15 });
}

static bool is_workday(int64_t hour)
{
    return weekday(hour) < 5;
}

/* Minutes of the hour in which machine 'index' is allocated, as [*from, *to). */
static void allocated_minutes(const struct tour *tour, unsigned index, uint64_t key, unsigned *from, unsigned *to)
{
    unsigned clock = hour_of_day(tour->hour);
    unsigned minute = (unsigned)below(mix(key, (uint64_t)(tour->hour / HOURS_PER_DAY)), SALT_MINUTE, 50);
    *from = 0;
    *to = 60;
    switch (tour->workload->schedule) {
    case DEMO_ALWAYS:
        return;
    case DEMO_OFFICE:
        if (!is_workday(tour->hour) || clock < 6 || clock > 18)
            *to = 0;
        else if (clock == 6)
            *from = minute;
        else if (clock == 18)
            *to = minute;
        return;
    case DEMO_NIGHT:
        *to = clock >= 21 || clock < 5 ? 60 : 0;
        return;
    case DEMO_SCALED:
        *to = index * 1000u / tour->workload->machines <= load(tour->hour) ? 60 : 0;
        return;
    }
}

static void visit_machine(struct tour *tour, unsigned index)
{
    const struct demo_workload *workload = tour->workload;
    struct resource machine = resource_of(tour, MACHINE, index, "virtualMachines");
    name_resource(&machine, tour, "vm", index + 1);
    machine.size = &demo_sizes[workload->size];
    machine.image = &demo_images[workload->image];
    bool premium = machine.size->name[9] == 'D' && machine.size->name[10] == 'S';
    visit_disk(tour, SYSTEM_DISK, index, premium);
    for (unsigned i = 0; i < workload->data_disks; i++)
        visit_disk(tour, DATA_DISK, index * workload->data_disks + i, premium);
    unsigned from, to;
    allocated_minutes(tour, index, machine.key, &from, &to);
    if (to <= from)
        return;
    struct measure measure = { .meter = DEMO_METER_VM_HOURS,
                               .value = (uint64_t)(to - from) * 1000000 / 60,
                               .places = 6 };
    measure.start_ns = hour_start_ns(tour->hour) + from * NS_PER_MINUTE;
    measure.end_ns = hour_start_ns(tour->hour) + to * NS_PER_MINUTE;
    report(tour, &machine, measure);
    measure.meter = machine.image->windows ? DEMO_METER_WINDOWS_CORES : DEMO_METER_BASE_CORES;
    measure.value *= machine.size->cores;
    report(tour, &machine, measure);
}

static void visit_snapshot(struct tour *tour, unsigned index)
{
    /* Told once for the whole day. */
    if (hour_of_day(tour->hour) != HOURS_PER_DAY - 1 || tour->hour - 23 < first_usage_hour(tour->stamp))
        return;
    struct resource snapshot = resource_of(tour, SNAPSHOT, index, "snapshots");
    name_resource(&snapshot, tour, "snap", index + 1);
    uint64_t bytes = stored_bytes(tour, snapshot.key, 300);
    report(tour, &snapshot,
           (struct measure){ .meter = DEMO_METER_SNAPSHOT_SIZE,
                             .value = gigabytes(bytes, hours_in_month(tour->hour)) * HOURS_PER_DAY,
                             .places = 15,
                             .start_ns = hour_start_ns(tour->hour - 23),
                             .end_ns = hour_start_ns(tour->hour + 1) });
}

static void visit_account(struct tour *tour, unsigned index)
{
    struct resource account = resource_of(tour, ACCOUNT, index, "storageAccounts");
    int length = snprintf(account.name, sizeof account.name, "st%s%02u", tour->workload->name, index + 1);
    REQUIRE(length > 0 && length < (int)sizeof account.name);
    for (char *c = account.name; *c != '\0'; c++)
        if (*c == '-')
            *c = 'x'; /* account names are letters and digits only */
    account.tagged = index == 0;
    static const struct {
        enum demo_meter meter;
        uint64_t largest_gb;
    } capacities[] = { { DEMO_METER_PAGE_CAPACITY, 500 }, { DEMO_METER_BLOCK_CAPACITY, 900 } };
    for (size_t i = 0; i < COUNT_OF(capacities); i++) {
        uint64_t bytes = stored_bytes(tour, mix(account.key, i), capacities[i].largest_gb);
        report(tour, &account,
               (struct measure){ .meter = capacities[i].meter, .value = gigabytes(bytes, 1), .places = 15 });
    }
    enum demo_meter small = index == 0 ? DEMO_METER_TABLE_CAPACITY : DEMO_METER_QUEUE_CAPACITY;
    report(tour, &account,
           (struct measure){
               .meter = small, .value = gigabytes(6834 + below(account.key, SALT_SIZE, 90000), 1), .places = 15 });
    uint64_t busy = load(tour->hour) * (200 + below(account.key, SALT_NOISE, 3000));
    uint64_t noise = below(mix(account.key, (uint64_t)tour->hour), SALT_NOISE, 1 + busy / 8);
    uint64_t requests = busy / 10 + noise;
    report(tour, &account, (struct measure){ .meter = DEMO_METER_BLOB_TRANSACTIONS, .value = requests, .places = 4 });
    report(tour, &account,
           (struct measure){ .meter = DEMO_METER_BLOB_OUT, .value = gigabytes(requests * 61441, 1), .places = 15 });
    if (noise % 3 == 0) /* nothing came in: no record, and that is not zero but nothing to tell */
        return;
    report(tour, &account,
           (struct measure){ .meter = DEMO_METER_BLOB_IN, .value = gigabytes(requests * 9173, 1), .places = 15 });
}

static void visit_address(struct tour *tour, unsigned index)
{
    struct resource address = resource_of(tour, ADDRESS, index, "publicIPAddresses");
    name_resource(&address, tour, "ip", index + 1);
    report(tour, &address,
           (struct measure){ .meter = index == 0 ? DEMO_METER_STATIC_IP : DEMO_METER_DYNAMIC_IP, .value = 1 });
}

static void visit_vault(struct tour *tour, unsigned index)
{
    struct resource vault = resource_of(tour, VAULT, index, "vaults");
    name_resource(&vault, tour, "kv", index + 1);
    uint64_t requests = load(tour->hour) / 3 + below(mix(vault.key, (uint64_t)tour->hour), SALT_NOISE, 120);
    if (requests >= 60) /* a vault nobody asked reports nothing */
        report(tour, &vault,
               (struct measure){ .meter = DEMO_METER_VAULT_TRANSACTIONS, .value = requests, .places = 4 });
}

static void visit_site(struct tour *tour, unsigned index)
{
    bool is_operator = tour->workload->tenant < 0;
    struct resource site = resource_of(tour, SITE, index, is_operator ? "workers" : "sites");
    name_resource(&site, tour, is_operator ? "worker" : "site", index + 1);
    if (is_operator) {
        report(tour, &site, (struct measure){ .meter = DEMO_METER_WEB_CORES, .value = index == 0 ? 4 : 1 });
        return;
    }
    bool shared = index >= 2;
    site.sku = shared ? "Shared" : "S1";
    report(tour, &site,
           (struct measure){ .meter = shared ? DEMO_METER_WEB_SHARED : DEMO_METER_WEB_STANDARD, .value = 1 });
    uint64_t bytes = load(tour->hour) * (20000 + below(mix(site.key, (uint64_t)tour->hour), SALT_NOISE, 90000));
    report(tour, &site, (struct measure){ .meter = DEMO_METER_WEB_EGRESS, .value = gigabytes(bytes, 1), .places = 15 });
    if (index == 0)
        report(tour, &site,
               (struct measure){ .meter = DEMO_METER_FUNCTIONS_REQUESTS, .value = bytes / 7000, .places = 1 });
}

static void visit_database(struct tour *tour, enum resource_kind kind, unsigned index)
{
    struct resource database = resource_of(tour, kind, index, "databases");
    name_resource(&database, tour, kind == DATABASE ? "sql" : "mysql", index + 1);
    report(tour, &database,
           (struct measure){ .meter = kind == DATABASE ? DEMO_METER_SQL : DEMO_METER_MYSQL,
                             .value = UINT64_C(1024) << below(database.key, SALT_SIZE, 5) });
}

static void visit_event_hub(struct tour *tour, unsigned index)
{
    if (tour->hour >= tour->stamp->start_hour - 1 - DEMO_SILENT_HOURS)
        return;
    struct resource cluster = resource_of(tour, EVENT_HUB, index, "clusters");
    name_resource(&cluster, tour, "hub", index + 1);
    report(tour, &cluster, (struct measure){ .meter = DEMO_METER_EVENT_HUB, .value = 10 });
}

/* --- tours --- */

/* Whether the workload exists in the tour's hour; then also which generation of it. */
static bool workload_lives(struct tour *tour, size_t index)
{
    const struct demo_workload *workload = &demo_workloads[index];
    int64_t hour = tour->hour - tour->stamp->start_hour;
    if ((workload->first_hour != INT16_MIN && hour < workload->first_hour) ||
        (workload->last_hour != INT16_MAX && hour >= workload->last_hour))
        return false;
    size_t count;
    tour->workload = workload;
    tour->subscription =
        workload->tenant < 0 ? tour->operator_subscription : demo_tenants(&count)[workload->tenant].subscription;
    tour->generation = 0;
    if (workload->period_hours != 0) {
        if (tour->hour % workload->period_hours >= workload->life_hours)
            return false;
        tour->generation = tour->hour / workload->period_hours;
    }
    tour->workload_key = mix(mix(tour->stamp->seed, index), (uint64_t)tour->generation);
    int length = workload->period_hours == 0 ? snprintf(tour->group, sizeof tour->group, "%s-rg", workload->name)
                                             : snprintf(tour->group, sizeof tour->group, "%s-%04lld-rg", workload->name,
                                                        (long long)(tour->generation % 10000));
    REQUIRE(length > 0 && length < (int)sizeof tour->group);
    return true;
}

static unsigned machines_by_now(const struct tour *tour)
{
    const struct demo_workload *workload = tour->workload;
    if (workload->growth_hours == 0)
        return workload->machines;
    int64_t grown = (tour->hour - first_usage_hour(tour->stamp)) / workload->growth_hours + 1;
    return grown < workload->machines ? (unsigned)grown : workload->machines;
}

static void visit_workload(struct tour *tour)
{
    const struct demo_workload *workload = tour->workload;
    unsigned machines = machines_by_now(tour);
    for (unsigned i = 0; i < machines; i++)
        visit_machine(tour, i);
    for (unsigned i = 0; i < workload->snapshots; i++)
        visit_snapshot(tour, i);
    for (unsigned i = 0; i < workload->addresses; i++)
        visit_address(tour, i);
    for (unsigned i = 0; i < workload->accounts; i++)
        visit_account(tour, i);
    for (unsigned i = 0; i < workload->vaults; i++)
        visit_vault(tour, i);
    for (unsigned i = 0; i < workload->sites; i++)
        visit_site(tour, i);
    for (unsigned i = 0; i < workload->databases; i++)
        visit_database(tour, DATABASE, i);
    for (unsigned i = 0; i < workload->mysql_databases; i++)
        visit_database(tour, MYSQL, i);
    for (unsigned i = 0; i < workload->event_hubs; i++)
        visit_event_hub(tour, i);
}

static void visit_hour(struct tour *tour, enum demo_kind kind, int64_t hour)
{
    if (hour < first_usage_hour(tour->stamp))
        return;
    tour->kind = kind;
    tour->hour = hour;
    for (size_t i = 0; i < demo_workload_count && tour->error == ERROR_OK; i++)
        if (workload_lives(tour, i))
            visit_workload(tour);
}

/* Records that no provider should send, one of several kinds. Their times are wrong or right whatever the hour is
 * in which they are read again. */
static void report_rejected(struct tour *tour)
{
    uint64_t key = mix(mix(tour->stamp->seed, SALT_REJECTED), (uint64_t)tour->posting_hour);
    if (tour->posting_hour <= first_usage_hour(tour->stamp) || below(key, 0, REJECTED_HOURS) != 0)
        return;
    tour->kind = DEMO_REJECTED;
    uint64_t flaw = below(key, 1, 4);
    size_t count;
    const struct demo_tenant *tenant = &demo_tenants(&count)[below(key, 2, 3)];
    int64_t start_ns = hour_start_ns(tour->posting_hour - 1), end_ns = start_ns + NS_PER_HOUR;
    char uri[256];
    snprintf(uri, sizeof uri,
             "/subscriptions/%s/resourceGroups/broken-rg/providers/Microsoft.Network/publicIPAddresses/broken-ip%llu",
             tenant->subscription, (unsigned long long)flaw);
    buffer_clear(&tour->json);
    struct json_writer json = json_writer(&tour->json);
    json_begin_object(&json);
    put_id(&json, key);
    put_member(&json, "source", demo_source_name(DEMO_NETWORK));
    put_member(&json, "subscriptionId", flaw == 0 ? "not-a-guid" : tenant->subscription);
    if (flaw != 1)
        put_member(&json, "meterId", demo_meters[DEMO_METER_STATIC_IP].id);
    put_member(&json, "resourceUri", uri);
    put_member(&json, "location", DEMO_LOCATION);
    put_instant(&json, "usageStartTime", flaw == 2 ? end_ns : start_ns);
    put_instant(&json, "usageEndTime", flaw == 2 ? start_ns : end_ns);
    json_name(&json, "quantity");
    json_put_raw(&json, flaw == 3 ? TEXT("-1") : TEXT("1"));
    if (tour->history)
        put_instant(&json, "reportedTime", due_ns(tour));
    json_end_object(&json);
    deliver(tour, DEMO_NETWORK);
}

err_t demo_stamp_report(const struct demo_stamp *stamp, int64_t posting_hour, bool history,
                        err_t (*sink)(void *context, const struct demo_report *report), void *context)
{
    struct tour tour = {
        .stamp = stamp, .posting_hour = posting_hour, .history = history, .sink = sink, .context = context
    };
    guid_print(&stamp->operator_subscription, tour.operator_subscription);
    visit_hour(&tour, DEMO_REGULAR, posting_hour - 1);
    for (int64_t late = 1; late <= DEMO_LATE_HOURS_MAX; late++)
        visit_hour(&tour, DEMO_LATE, posting_hour - 1 - late);
    visit_hour(&tour, DEMO_RETRY, posting_hour - 2);
    if (posting_hour % CONFLICT_HOURS == 0)
        visit_hour(&tour, DEMO_CONFLICT, posting_hour - 2);
    if (tour.error == ERROR_OK)
        report_rejected(&tour);
    buffer_free(&tour.json);
    return tour.error;
}
