/* What the simulated stamp consists of: tenants, their workloads, meters, VM sizes and images. Data only; private
 * to demo_stamp.c and demo_tables.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/demo_stamp.h"

enum demo_meter {
    DEMO_METER_BASE_CORES,
    DEMO_METER_WINDOWS_CORES,
    DEMO_METER_VM_HOURS,
    DEMO_METER_DISK_S10,
    DEMO_METER_DISK_S20,
    DEMO_METER_DISK_P10,
    DEMO_METER_DISK_P20,
    DEMO_METER_DISK_STANDARD_SIZE,
    DEMO_METER_DISK_PREMIUM_SIZE,
    DEMO_METER_SNAPSHOT_SIZE,
    DEMO_METER_TABLE_CAPACITY,
    DEMO_METER_PAGE_CAPACITY,
    DEMO_METER_QUEUE_CAPACITY,
    DEMO_METER_BLOCK_CAPACITY,
    DEMO_METER_BLOB_TRANSACTIONS,
    DEMO_METER_BLOB_IN,
    DEMO_METER_BLOB_OUT,
    DEMO_METER_STATIC_IP,
    DEMO_METER_DYNAMIC_IP,
    DEMO_METER_VAULT_TRANSACTIONS,
    DEMO_METER_WEB_CORES,
    DEMO_METER_WEB_SHARED,
    DEMO_METER_WEB_STANDARD,
    DEMO_METER_WEB_PROCESS,
    DEMO_METER_WEB_EGRESS,
    DEMO_METER_FUNCTIONS_REQUESTS,
    DEMO_METER_SQL,
    DEMO_METER_MYSQL,
    DEMO_METER_EVENT_HUB,
    DEMO_METER_COUNT
};
struct demo_meter_info {
    const char *id; /* as its provider writes it: case and dashes differ */
    enum demo_source source;
};
extern const struct demo_meter_info demo_meters[DEMO_METER_COUNT];

struct demo_size {
    const char *name;
    unsigned cores;
};
struct demo_image {
    const char *publisher, *offer, *sku;
    bool windows; /* pays the Windows meter */
};
enum { DEMO_D2, DEMO_D3, DEMO_F2, DEMO_F4, DEMO_DS3, DEMO_DS12, DEMO_D13, DEMO_A1 };
enum { DEMO_UBUNTU, DEMO_RHEL, DEMO_WINDOWS_2019, DEMO_WINDOWS_BYOL };
extern const struct demo_size demo_sizes[];
extern const struct demo_image demo_images[];

enum demo_schedule {
    DEMO_ALWAYS,
    DEMO_OFFICE, /* weekdays, deallocated over night */
    DEMO_NIGHT,
    DEMO_SCALED /* more machines under load */
};

/* One resource group and what is in it. */
struct demo_workload {
    int8_t tenant; /* index into demo_tenants, -1: the operator */
    const char *name, *environment, *cost_centre;
    uint8_t size, image;
    enum demo_schedule schedule;
    uint8_t machines, data_disks, /* per machine */ addresses, accounts, vaults, sites, databases, mysql_databases,
        event_hubs, snapshots;
    uint16_t growth_hours; /* each further machine was added so much later than the one before; 0: all at once */
    int16_t first_hour;    /* relative to the start; INT16_MIN: ever */
    int16_t last_hour;     /* exclusive; INT16_MAX: for ever */
    uint16_t period_hours; /* not 0: it is made anew every period and lives for life_hours */
    uint16_t life_hours;
};
extern const struct demo_workload demo_workloads[];
extern const size_t demo_workload_count;

/* Load of the hour of the day in permille, and of the day of the week from Monday on in percent. */
extern const uint16_t demo_day_curve[24];
extern const uint8_t demo_week_curve[7];
